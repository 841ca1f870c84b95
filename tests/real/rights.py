"""Rights as RBAC has them, what an API server says about them, and a client that remembers what it was refused."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.cluster import PODS, Cluster, Forbidden
from tests.contract.space import until
from tests.real.manifests import accounts, apply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.cluster.transport import Transport
    from testbed.api import Api
    from tests.real.manifests import Object

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_REFUSAL = re.compile(r'cannot (\w+) resource "([^"]+)" in API group "([^"]*)"')


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource, which includes the subresource: `create pods/eviction`."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        """Return e.g. `patch networkpolicies.networking.k8s.io`."""
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


def granted(function: str) -> list[Right]:
    """Return every right that the function's rbac.yaml grants."""
    return [right for role in roles(function) for rule in role["rules"] for right in _of(rule)]


def roles(function: str) -> list[Object]:
    """Return the roles of the function's rbac.yaml."""
    return [each for each in accounts(function) if each["kind"] in {"ClusterRole", "Role"}]


def grant(api: Api, function: str, without: Right | None = None) -> None:
    """Give the function all its rights but one, and wait until the API server's authorizer knows."""
    for role in roles(function):
        left = [(right, rule) for rule in role["rules"] for right in _of(rule) if right != without]
        rules = [
            {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb], **_names(rule)}
            for right, rule in left
        ]
        apply(api, {**role, "rules": rules} if without else role).object()
    rights = granted(function)
    until(lambda: all(_may(api, function, each) is (each != without) for each in rights), f"without {without}")


class Account(Cluster):
    """A function's account as its client sees it; it remembers which rights the API server said it lacks."""

    def __init__(self, transport: Transport) -> None:
        """Begin with nothing refused."""
        super().__init__(transport)
        self.refused: set[Right] = set()
        self.meddle: Callable[[], object] | None = None
        """Called once, just before the next patch of a pod is sent: another writer who was faster."""

    def _send(self, verb: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        if verb == "patch" and PODS in arguments and self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()
        with self._noting():
            return super()._send(verb, *arguments, **options)

    def list_within(self, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        """Read a list up to a size, which is not parsed before it is counted."""
        with self._noting():
            return super().list_within(*arguments, **options)

    def logs(self, *arguments: Any, **options: Any) -> bytes:
        """Read a log, which is no object."""
        with self._noting():
            return super().logs(*arguments, **options)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Remember what is refused."""
        try:
            yield
        except Forbidden as error:
            self.refused |= {Right(group, resource, verb) for verb, resource, group in _REFUSAL.findall(error.reason)}
            raise


def _of(rule: Object) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield Right(group, resource, verb)


def _names(rule: Object) -> Object:
    """Return the names that a rule is for, if it is not for all."""
    return {key: rule[key] for key in rule if key == "resourceNames"}


def _a_name(function: str, right: Right) -> str:
    """Return one of the names that the right is for, "" when it is for all."""
    rules = [rule for role in roles(function) for rule in role["rules"] if right in _of(rule)]
    return str(next((name for rule in rules for name in rule.get("resourceNames", ())), ""))


def _a_namespace(function: str, right: Right) -> str:
    """Return the namespace that the right is for, "" when it is for all."""
    held = [role for role in roles(function) if any(right in _of(rule) for rule in role["rules"])]
    return str(next((role["metadata"]["namespace"] for role in held if role["kind"] == "Role"), ""))


def _may(api: Api, function: str, right: Right) -> bool:
    """Ask the API server whether the function's account has a right on what it is for.

    In every namespace, or, of a Role, in its own.
    """
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    attributes |= {"name": name} if (name := _a_name(function, right)) else {}
    attributes |= {"namespace": space} if (space := _a_namespace(function, right)) else {}
    spec = {"user": f"system:serviceaccount:molt:{function}", "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(api.post(_REVIEWS, review).object()["status"]["allowed"])
