"""The tree of a function's image: `python -m image.tree FUNCTION TARGET [--extras s3]`.

    lib/           what the lock pins for the function, the core and the function: wheels, checked by their hashes
    function.py    starts it

The same sources and lock give the same bytes, wherever and whenever: bytecode holds no time and no folder of the build,
what an installer notes about its run is left out, and every file has one time.
"""

from __future__ import annotations

import argparse
import base64
import compileall
import csv
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from image import lock

PLACE = "/app"
"""Where the image has the tree."""
EPOCH = 1_580_601_600  # 2020-02-02, hatchling's own; an archive knows no time before 1980
NOT_A_FUNCTIONS = ("embedded", "cli", "simulate", "forwarder")
"""Packages of the core that are on nobody's way of an event: the local runtime, the command line, the simulation."""
NOTES = ("direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED")
"""What installers write about who installed what from where and when."""


def build(function: str, extras: list[str], target: Path, epoch: int) -> None:
    """Make the tree in `target`, which must not be there. Raises CalledProcessError, ValueError, OSError."""
    target.mkdir(parents=True)
    library = target / "lib"
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        _install(function, extras, library, work)
    _prune(library)
    _compile(library)
    package = function.replace("-", "_")
    (target / "function.py").write_text(f'import runpy\n\nrunpy.run_module("{package}", run_name="__main__")\n')
    _settle(target, epoch)


def _install(function: str, extras: list[str], library: Path, work: Path) -> None:
    pins = lock.needed(lock.read(lock.LOCK.read_text("utf-8")), lock.roots(function, extras))
    (work / "requirements.txt").write_text("\n".join(pin.render() for pin in pins) + "\n")
    into = ("--target", str(library), "--python", sys.executable, "--no-deps", "--link-mode", "copy")
    _uv("pip", "install", *into, "--only-binary", ":all:", "--require-hashes", "-r", str(work / "requirements.txt"))
    pinned = ("--build-constraints", str(lock.LOCK), "--require-hashes")
    for source in (lock.ROOT, lock.ROOT / "functions" / function):
        _uv("build", "--wheel", *pinned, "--python", sys.executable, "--out-dir", str(work / "wheels"), str(source))
    _uv("pip", "install", *into, "--no-index", *map(str, sorted((work / "wheels").glob("*.whl"))))


def _uv(*arguments: str) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}") or "uv"
    subprocess.run([uv, "--quiet", *arguments], check=True, cwd=lock.ROOT)


def _prune(library: Path) -> None:
    """Take out what no function uses and what the installer noted, and say so in each RECORD."""
    for name in (*(f"molt/{package}" for package in NOT_A_FUNCTIONS), "bin", ".lock"):
        found = library / name
        shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)
    for cache in [*library.rglob("__pycache__")]:
        shutil.rmtree(cache)
    for info in library.glob("*.dist-info"):
        for note in NOTES:
            (info / note).unlink(missing_ok=True)
        _record(info)


def _record(info: Path) -> None:
    """Write RECORD anew: just the files of the distribution that are there, in order."""
    record = info / "RECORD"
    with record.open(newline="") as file:
        listed = {Path(row[0]) for row in csv.reader(file)}
    kept = sorted(path for path in listed if (info.parent / path).is_file() and path != record.relative_to(info.parent))
    rows = [(str(path), *_fingerprint(info.parent / path)) for path in kept]
    with record.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([*rows, (str(record.relative_to(info.parent)), "", "")])


def _fingerprint(path: Path) -> tuple[str, int]:
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", len(content)


def _compile(library: Path) -> None:
    """Compile all: without it a cold start spends over a second compiling, and nothing can be written later."""
    compiled = compileall.compile_dir(
        library,
        maxlevels=100,
        quiet=1,
        workers=0,
        stripdir=str(library),
        prependdir=f"{PLACE}/lib",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise ValueError("a module of the image does not compile")


def _settle(target: Path, epoch: int) -> None:
    for path in [*target.rglob("*"), target]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch))


def main(arguments: list[str]) -> int:
    """Build; return the exit code: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m image.tree", description="Build the tree of a function's image.")
    parser.add_argument("function", help="its folder in functions/")
    parser.add_argument("target", type=Path, help="where to build; must not be there")
    parser.add_argument("--extras", default="", help="extras of the function, separated by commas")
    parser.add_argument("--epoch", type=int, default=EPOCH, help="the time of every file")
    options = parser.parse_args(arguments)
    extras = [extra for extra in options.extras.strip("[]").split(",") if extra]
    try:
        build(options.function, extras, options.target, options.epoch)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"image: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
