"""What makes a pod invalid, and what an update of one may not change (pkg/apis/core/validation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.objects import copied
from molt.embedded.cluster.problems import DUPLICATE, FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, Fault
from molt.embedded.cluster.syntax import label_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

UPDATABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_RESTART: Final = ("Always", "OnFailure", "Never")
_MUTABLE: Final = ("activeDeadlineSeconds", "schedulingGates", "tolerations")


def spec_faults(spec: dict[str, Any], path: str) -> Iterator[Fault]:
    """Yield what is wrong with the spec of a pod, or of a template, at `path`."""
    containers = spec.get("containers") or []
    if not containers:
        yield Fault(f"{path}.containers", REQUIRED)
    names: set[str] = set()
    for field, group in (("containers", containers), ("initContainers", spec.get("initContainers") or [])):
        for index, container in enumerate(group):
            yield from _container(container, names, f"{path}.{field}[{index}]")
    if spec["restartPolicy"] not in _RESTART:
        values = ", ".join(f'"{one}"' for one in _RESTART)
        yield Fault(f"{path}.restartPolicy", NOT_SUPPORTED, spec["restartPolicy"], f"supported values: {values}")


def _container(container: dict[str, Any], names: set[str], path: str) -> Iterator[Fault]:
    name = container.get("name", "")
    if not name:
        yield Fault(f"{path}.name", REQUIRED)
    elif name in names:
        yield Fault(f"{path}.name", DUPLICATE, name)
    else:
        names.add(name)
        for text in label_faults(name):
            yield Fault(f"{path}.name", INVALID, name, text)
    if not container.get("image"):
        yield Fault(f"{path}.image", REQUIRED)


def update_faults(new: dict[str, Any], old: dict[str, Any]) -> Iterator[Fault]:
    """Yield what an update of a pod's spec changes and may not."""
    for field in ("containers", "initContainers"):
        if len(new.get(field) or ()) != len(old.get(field) or ()):
            yield Fault(f"spec.{field}", FORBIDDEN, detail="pod updates may not add or remove containers")
            return
    yield from _deadline(new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    yield from _tolerations(new.get("tolerations") or [], old.get("tolerations") or [])
    if _fixed(new, old) != old:
        changed = sorted(key for key in new.keys() | old.keys() if _fixed(new, old).get(key) != old.get(key))
        text = f"pod updates may not change fields other than {UPDATABLE}\n  {', '.join(changed)}"
        yield Fault("spec", FORBIDDEN, detail=text)


def _fixed(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Return `new` with all that may be changed set back to what it was."""
    spec = copied(new)
    for field in _MUTABLE:
        spec.pop(field, None)
        spec |= {field: old[field]} if field in old else {}
    for field in ("containers", "initContainers"):
        for container, before in zip(spec.get(field) or (), old.get(field) or (), strict=True):
            container["image"] = before["image"]
    return spec


def _deadline(new: int | None, old: int | None) -> Iterator[Fault]:
    path = "spec.activeDeadlineSeconds"
    if new is None and old is not None:
        yield Fault(path, INVALID, None, "must not update from a positive integer to nil value")
    elif new is not None and new < 0:
        yield Fault(path, INVALID, new, "must be between 0 and 2147483647, inclusive")
    elif new is not None and old is not None and new > old:
        yield Fault(path, INVALID, new, "must be less than or equal to previous value")


def _tolerations(new: list[dict[str, Any]], old: list[dict[str, Any]]) -> Iterator[Fault]:
    def bare(toleration: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [bare(one) for one in new]
    if any(bare(one) not in kept for one in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        yield Fault("spec.tolerations", FORBIDDEN, detail=text)
