"""Is a version that the lock pins known to be vulnerable: `python -m image.advisories`, by pip-audit.

Exit code 0: none is; 1: some are, each on a line; 3: nobody could be asked, so nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from image import lock

if TYPE_CHECKING:
    from collections.abc import Sequence

VULNERABLE, UNKNOWN = 1, 3
COMMAND = (sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off")


def main(command: Sequence[str] = COMMAND) -> int:
    """Ask; say what was found; return the exit code."""
    asked = [*command, "--format", "json", "-r", str(lock.LOCK)]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        sys.stderr.write(f"nobody could be asked for advisories: {last}\n")
        return UNKNOWN
    return _tell(found)


def _tell(found: Sequence[dict[str, Any]]) -> int:
    bad = [one for one in found if one.get("vulns")]
    for one in bad:
        for vulnerability in one["vulns"]:
            fixed = ", ".join(vulnerability.get("fix_versions") or ()) or "no version yet"
            sys.stdout.write(f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in {fixed}\n")
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in found if one.get("skip_reason")]
    sys.stdout.write(f"{len(found)} pinned versions, {len(bad)} vulnerable\n")
    if skipped or not found:
        sys.stderr.write(
            f"nothing is known of {len(skipped) or 'any'} of them: {next(iter(skipped), 'none was read')}\n"
        )
    return VULNERABLE if bad else UNKNOWN if skipped or not found else 0


if __name__ == "__main__":
    sys.exit(main())
