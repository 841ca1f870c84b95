"""RBAC: who may do what, by the Roles, ClusterRoles and bindings that are stored (plugin/pkg/auth/authorizer/rbac)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.errors import StoreNotFound
from molt.embedded.cluster.problems import Refused, forbidden, quoted
from molt.embedded.cluster.tokens import AUTHENTICATED, MASTERS, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.routes import Place
    from molt.embedded.cluster.store import Store

GROUP: Final = "rbac.authorization.k8s.io"
ACCOUNT: Final = "system:serviceaccount:"
DISCOVERY: Final = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/")
HEALTH: Final = ("/healthz", "/livez", "/readyz")


class Authorizer:
    """Decides by what is stored at the time of the request."""

    def __init__(self, store: Store) -> None:
        """Read roles and bindings in `store`."""
        self._store = store

    def allows(self, user: User, place: Place) -> bool:
        """Tell whether `user` may do what `place` says."""
        return MASTERS in user.groups or any(_covers(rule, place) for rule in self._rules(user, place.namespace))

    def allows_path(self, user: User, verb: str, path: str) -> bool:
        """Tell whether `user` may use a path that is no resource; discovery and health are for all who are known."""
        if MASTERS in user.groups or any(_fits(one, path) for one in HEALTH):
            return True
        if AUTHENTICATED in user.groups and verb == "get" and any(_fits(one, path) for one in DISCOVERY):
            return True
        return any(
            _has(rule.get("verbs"), verb) and any(_fits(one, path) for one in rule.get("nonResourceURLs") or ())
            for rule in self._rules(user, None)
        )

    def _rules(self, user: User, namespace: str | None) -> Iterator[dict[str, Any]]:
        def binds(binding: dict[str, Any]) -> bool:
            return _binds(binding, user)

        for binding in self._store.list(f"clusterrolebindings.{GROUP}", where=binds):
            yield from self._role(binding["roleRef"], None)
        if namespace:
            for binding in self._store.list(f"rolebindings.{GROUP}", namespace, where=binds):
                yield from self._role(binding["roleRef"], namespace)

    def _role(self, reference: dict[str, Any], namespace: str | None) -> list[dict[str, Any]]:
        """Return the rules of a role; a binding to one that does not exist grants nothing."""
        try:
            if reference["kind"] == "ClusterRole":
                role = self._store.get(f"clusterroles.{GROUP}", None, reference["name"])
            else:
                role = self._store.get(f"roles.{GROUP}", namespace, reference["name"])
        except StoreNotFound:
            return []
        return role.get("rules") or []


def _binds(binding: dict[str, Any], user: User) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
        if kind == "ServiceAccount" and user.name == f"{ACCOUNT}{namespace}:{name}":
            return True
    return False


def _has(values: list[str] | None, wanted: str) -> bool:
    return "*" in (values or ()) or wanted in (values or ())


def _covers(rule: dict[str, Any], place: Place) -> bool:
    resources = rule.get("resources") or []
    fits = _has(resources, place.full_resource) or (place.subresource and f"*/{place.subresource}" in resources)
    names = rule.get("resourceNames")
    return bool(
        _has(rule.get("verbs"), place.verb)
        and _has(rule.get("apiGroups"), place.group)
        and fits
        and (not names or place.authorised_name in names)
    )


def _fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def refusal(user: User, place: Place) -> Refused:
    """Return 403 in the API server's words."""
    where = f'in the namespace "{place.namespace}"' if place.namespace else "at the cluster scope"
    text = (
        f'User "{user.name}" cannot {place.verb} resource "{place.full_resource}" in API group "{place.group}" {where}'
    )
    key = f"{place.resource}.{place.group}" if place.group else place.resource
    return forbidden(key, place.authorised_name or "", text)


def path_refusal(user: User, verb: str, path: str) -> Refused:
    """Return 403 for a path that is no resource."""
    return forbidden("", "", f"User {quoted(user.name)} cannot {verb} path {quoted(path)}")
