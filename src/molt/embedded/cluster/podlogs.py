"""What a container has said: there are no containers, so the pod's annotations say it.

`embedded.molt-project.io/log` is the text of every container that has started, `embedded.molt-project.io/previous-log`
that of its run before the last restart, where its status knows of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.problems import INVALID, Fault, bad_request, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG: Final = "embedded.molt-project.io/log"
PREVIOUS_LOG: Final = "embedded.molt-project.io/previous-log"
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
_STATUSES: Final = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")

Object = dict[str, Any]


def text(pod: Object, query: Mapping[str, str]) -> str:
    """Return a container's log as the kubelet cuts it: of the last lines the first bytes. Raises Refused (400, 422)."""
    lines, size = _limit(pod, query, "tailLines", least=0), _limit(pod, query, "limitBytes", least=1)
    name = _container(pod, query.get("container", ""))
    if not pod["spec"].get("nodeName"):
        return ""
    status = next((one for one in _each(pod.get("status") or {}, _STATUSES) if one["name"] == name), {})
    where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
    said = (pod["metadata"].get("annotations") or {}).get(LOG, "")
    started = ((status.get("state") or {}).get("running") or {}).get("startedAt", "")
    if query.get("previous") == "true":
        ended = (status.get("lastState") or {}).get("terminated")
        if not ended:
            raise bad_request(f"previous terminated {where} not found")
        said = (pod["metadata"].get("annotations") or {}).get(PREVIOUS_LOG, "")
        started = ended.get("startedAt", "")
    elif not started and not (status.get("state") or {}).get("terminated"):
        reason = ((status.get("state") or {}).get("waiting") or {}).get("reason", "ContainerCreating")
        raise bad_request(f"{where} is waiting to start: {reason}")
    kept = said.splitlines(keepends=True)
    kept = kept if lines is None else kept[len(kept) - min(lines, len(kept)) :]
    stamp = f"{started} " if query.get("timestamps") == "true" else ""
    whole = "".join(stamp + line for line in kept).encode()
    return whole[:size].decode(errors="replace")


def _container(pod: Object, name: str) -> str:
    """Return the container that is meant: the only regular one, when none is named."""
    known = [str(one["name"]) for one in _each(pod["spec"], _CONTAINERS)]
    if name in known:
        return name
    pod_name = pod["metadata"]["name"]
    if name:
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    regular = [str(one["name"]) for one in pod["spec"]["containers"]]
    if len(regular) == 1:
        return regular[0]
    raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(known)}]")


def _limit(pod: Object, query: Mapping[str, str], name: str, *, least: int) -> int | None:
    if name not in query:
        return None
    value = int(query[name])
    if value < least:
        detail = "must be greater than 0" if least else "must be greater than or equal to 0"
        raise invalid("PodLogOptions", pod["metadata"]["name"], [Fault(name, INVALID, value, detail)])
    return value


def _each(part: Object, fields: tuple[str, ...]) -> list[Object]:
    return [one for field in fields for one in part.get(field) or ()]
