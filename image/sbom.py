"""Bills of materials: `python -m image.sbom FOLDER` writes that of all that the lock pins, and one for each image.

CycloneDX 1.6 in JSON, of the lock alone: the same lock, the same bytes; no time, and a serial number of the content.
The hashes of a component are those that the lock allows for it, one for each file that an index has of the version.
"""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image import lock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from image.lock import Pin

SPEC = "1.6"


def of_project() -> dict[str, Any]:
    """Return the bill of all that the lock pins, development included."""
    pins = lock.read(lock.LOCK.read_text("utf-8"))
    described = lock.project(".")
    direct = {pin.name for pin in pins if lock.CORE in pin.asked_by}
    return _bill(_own(described, "library"), [], pins, direct)


def of_image(function: str, extras: Iterable[str] = ()) -> dict[str, Any]:
    """Return the bill of a function's image: the function, the core, and what they need."""
    roots = lock.roots(function, extras)
    pins = lock.needed(lock.read(lock.LOCK.read_text("utf-8")), roots)
    core = _own(lock.project("."), "library")
    return _bill(_own(lock.project(f"functions/{function}"), "application"), [core], pins, roots)


def _bill(subject: dict[str, Any], own: list[dict[str, Any]], pins: Iterable[Pin], direct: set[str]) -> dict[str, Any]:
    pins = list(pins)
    refs: dict[str, list[str]] = {}
    for pin in pins:
        refs.setdefault(pin.name, []).append(_ref(pin))
    edges = [{"ref": subject["bom-ref"], "dependsOn": sorted(_refs(refs, direct) + [one["bom-ref"] for one in own])}]
    edges += [{"ref": one["bom-ref"], "dependsOn": sorted(_refs(refs, direct))} for one in own]
    for pin in pins:
        asked = {other.name for other in pins if pin.name in other.asked_by}
        edges.append({"ref": _ref(pin), "dependsOn": sorted(_refs(refs, asked))})
    bill = {
        "metadata": {"component": subject},
        "components": [*own, *map(_component, pins)],
        "dependencies": sorted(edges, key=lambda edge: str(edge["ref"])),
    }
    content = json.dumps(bill, sort_keys=True).encode()
    serial = uuid.UUID(bytes=hashlib.sha256(content).digest()[:16], version=4)
    return {"bomFormat": "CycloneDX", "specVersion": SPEC, "serialNumber": serial.urn, "version": 1, **bill}


def _refs(refs: dict[str, list[str]], names: Iterable[str]) -> list[str]:
    return [ref for name in names for ref in refs.get(name, [])]


def _own(described: dict[str, Any], kind: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{described['name']}@{described['version']}"
    return {
        "type": kind,
        "bom-ref": purl,
        "name": described["name"],
        "version": described["version"],
        "description": described["description"],
        "licenses": [{"expression": described["license"]}],
        "purl": purl,
    }


def _ref(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def _component(pin: Pin) -> dict[str, Any]:
    expression = _license(pin)
    return {
        "type": "library",
        "bom-ref": _ref(pin),
        "name": pin.name,
        "version": pin.version,
        "purl": _ref(pin),
        "hashes": [{"alg": "SHA-256", "content": one} for one in pin.hashes],
        **({"licenses": [{"expression": expression}]} if expression else {}),
        **({"properties": [{"name": "molt:marker", "value": pin.marker}]} if pin.marker else {}),
    }


def _license(pin: Pin) -> str:
    """Return the SPDX expression that the installed distribution states, if it is the one that is pinned."""
    try:
        said = metadata(pin.name)
    except PackageNotFoundError:
        return ""
    return str(said["License-Expression"] or "") if said["Version"] == pin.version else ""


def write(folder: Path) -> list[Path]:
    """Write every bill into `folder`, which is made; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    functions = sorted(path.parent.name for path in (lock.ROOT / "functions").glob("*/pyproject.toml"))
    bills = {"molt": of_project()} | {function: of_image(function) for function in functions}
    bills["evidence-s3"] = of_image("evidence", ["s3"])
    for name, bill in bills.items():
        (folder / f"{name}.cdx.json").write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    return [folder / f"{name}.cdx.json" for name in bills]


if __name__ == "__main__":
    for file in write(Path(sys.argv[1])):
        sys.stdout.write(f"{file}\n")
