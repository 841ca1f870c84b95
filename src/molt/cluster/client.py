"""The Kubernetes API as molt uses it: plain dicts in and out, every call counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from molt.cluster import connect
from molt.cluster.errors import Expired, Request
from molt.cluster.options import VERSION, deletion, filled, freshness, typed, writing
from molt.cluster.resources import ACCOUNTS, NODES, PODS, Resource, segment
from molt.cluster.sender import Sender, path_of
from molt.cluster.stream import events
from molt.cluster.transport import Call, Transport, items, json_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from molt.cluster.options import LogLimits, Trim

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PAGE: Final = 500  # objects per answer of a list, as kubectl's
WATCH_SECONDS: Final = 300.0
GRACE: Final = 5.0  # seconds that a watch's end may come late
CHECKPOINT_SECONDS: Final = 30.0  # a checkpoint writes all of a container's memory
CHECKPOINT_BYTES: Final = 64 * 1024  # of the answer, which names a file


class Cluster(Sender):
    """One cluster, seen by one caller. Methods raise the errors of molt.cluster.errors, and no others."""

    @classmethod
    def connect(
        cls,
        *,
        url: str | None = None,
        token: str | None = None,
        kubeconfig: str | None = None,
        context: str | None = None,
    ) -> Self:
        """Return the cluster at `url`, or of a kubeconfig (and context of it), or the one this pod runs in.

        Sends nothing. Raises Misconfigured when the address, the file or the credentials are unusable.
        """
        if url is not None:
            return cls(Transport(connect.by_url(url, token)))
        if kubeconfig is not None or context is not None:
            return cls(Transport(connect.by_kubeconfig(kubeconfig or connect.KUBECONFIG, context)))
        return cls(Transport(connect.in_cluster({})))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return the cluster that MOLT_API_URL and MOLT_API_TOKEN, else KUBECONFIG, else the pod's mount name."""
        return cls(Transport(connect.from_environ(environ)))

    def session(self) -> Cluster:
        """Return the same cluster over the same connections, with an empty list of requests."""
        return Cluster(self._transport)

    def close(self) -> None:
        """Close the idle connections of this cluster and its sessions."""
        self._transport.close()

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return the object, or raise NotFound."""
        return self._send("get", "GET", resource, namespace, name)

    def metadata(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return the object's metadata alone (PartialObjectMetadata): the rest does not leave the API server."""
        return self._send("get", "GET", resource, namespace, name, accept=METADATA)

    def list_within(
        self, most: int, resource: Resource, namespace: str | None = None, *, fields: str = "", cached: bool = False
    ) -> list[dict[str, Any]]:
        """Return the objects as `list` does, from one answer of at most `most` bytes; raises TooLarge beyond that."""
        asked = Request("list", resource.group, resource.plural, namespace)
        call = Call("GET", path_of(resource, namespace), asked, freshness(cached=cached) | filled(fieldSelector=fields))
        return items(asked, self._transport.read(call, self.requests, most + 1), most)

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        trim: Trim = None,
        cached: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the objects of a namespace, or of all, that both selectors select, or what `trim` keeps of each.

        They are read in pages. When these expire half-way all is read anew in one answer, as client-go's pager does.
        """
        query = filled(labelSelector=labels, fieldSelector=fields)
        found: list[dict[str, Any]] = []
        token, page = "", {"limit": str(PAGE)} | freshness(cached=cached)
        while True:
            try:
                answer = self._send(
                    "list", "GET", resource, namespace, query=query | page | filled(**{"continue": token})
                )
            except Expired:
                if not token:
                    raise
                found, token, page = [], "", {}
                continue
            page.pop(VERSION, None)  # with `continue` the API refuses it
            found += [trim(obj) if trim else obj for obj in answer.get("items") or []]
            token = (answer.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        resource_version: str = "",
        timeout: float = WATCH_SECONDS,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (ADDED | MODIFIED | DELETED | BOOKMARK, object) until the server ends the watch, `timeout` seconds on.

        Raises Expired when `resource_version` is too old (list again), Unavailable when the connection breaks (go on
        from the last resourceVersion seen).
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(max(1, round(timeout)))}
        query |= filled(labelSelector=labels, resourceVersion=resource_version)
        asked = Request("watch", resource.group, resource.plural, namespace)
        call = Call("GET", path_of(resource, namespace), asked, query=query, read_timeout=timeout + GRACE)
        yield from events(asked, self._transport.open(call, self.requests))

    def logs(self, pod: str, namespace: str, container: str, limits: LogLimits, *, previous: bool = False) -> bytes:
        """Return the end of a container's log, each line with its time; with `previous` that of the run before."""
        asked = Request("get", PODS.group, f"{PODS.plural}/log", namespace)
        query = limits.query(container, previous=previous)
        return self._transport.read(
            Call("GET", path_of(PODS, namespace, pod, "log"), asked, query), self.requests, limits.size
        )

    def checkpoint(self, node: str, namespace: str, pod: str, container: str) -> dict[str, Any]:
        """Have the kubelet write a checkpoint of a container on its node; return its answer, which names the file."""
        asked = Request("create", NODES.group, f"{NODES.plural}/proxy")
        path = path_of(NODES, None, node, "/".join(["proxy/checkpoint", *map(segment, (namespace, pod, container))]))
        call = Call("POST", path, asked, repeatable=False, read_timeout=CHECKPOINT_SECONDS)
        return json_object(asked, self._transport.read(call, self.requests, CHECKPOINT_BYTES))

    def create(
        self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Create the object and return it as stored; raises AlreadyExists. Not repeated when the outcome is unknown."""
        query = writing(dry_run=dry_run)
        return self._send(
            "create", "POST", resource, namespace, query=query, body=typed(resource, body), repeatable=dry_run
        )

    def request_token(self, account: str, namespace: str, seconds: int) -> str:
        """Return a new token of a ServiceAccount, good for `seconds`, or for as long as the API server allows."""
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        body = kind | {"spec": {"expirationSeconds": seconds}}
        answer = self._send("create", "POST", ACCOUNTS, namespace, account, subresource="token", body=body)
        return str(answer["status"]["token"])

    def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        manager: str,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Create or change the object `body.metadata.name` so that it has these fields (server-side apply, force)."""
        query = writing(manager=manager, dry_run=dry_run) | {"force": "true"}
        name, whole = body["metadata"]["name"], typed(resource, body)
        return self._send("patch", "PATCH", resource, namespace, name, query=query, body=whole, content_type=APPLY)

    def merge(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Apply a JSON merge patch; metadata.uid and .resourceVersion in it are preconditions, refused as Conflict."""
        query, part = writing(dry_run=dry_run), subresource
        return self._send(
            "patch", "PATCH", resource, namespace, name, subresource=part, query=query, body=patch, content_type=MERGE
        )

    def patch_blindly(
        self,
        resource: Resource,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Apply a JSON patch, all of it or nothing, and return the object's metadata alone, as `metadata` does.

        Raises Conflict when it sets metadata.uid or .resourceVersion to what they are not, Rejected when an operation
        cannot be done or a `test` fails.
        """
        query, kind, asked = writing(dry_run=dry_run), JSON_PATCH, METADATA
        body = [*operations]
        return self._send(
            "patch", "PATCH", resource, namespace, name, query=query, body=body, content_type=kind, accept=asked
        )

    def delete(  # noqa: PLR0913 - what to delete, and every precondition that the API has
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete the object; with `uid` only that one, else Conflict. Raises NotFound when it is gone already.

        With `resource_version` only the object as it was read, else Conflict.
        A lost answer is asked for again only with `uid`: by name alone a successor might be hit.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions"} | deletion(
            uid, grace_seconds, dry_run=dry_run, resource_version=resource_version
        )
        repeatable = bool(uid) or dry_run
        self._send("delete", "DELETE", resource, namespace, name, body=options, repeatable=repeatable)

    def evict(
        self, name: str, namespace: str, *, uid: str = "", resource_version: str = "", dry_run: bool = False
    ) -> None:
        """Evict the pod; raises Blocked at once when a PodDisruptionBudget forbids it now.

        `uid` as with `delete`; with `resource_version` only the pod as it was read, else Conflict.
        """
        options = deletion(uid, None, dry_run=dry_run, resource_version=resource_version)
        kind = {"apiVersion": "policy/v1", "kind": "Eviction"}
        body = kind | {"metadata": {"name": name, "namespace": namespace}, "deleteOptions": options}
        self._send(
            "create", "POST", PODS, namespace, name, subresource="eviction", body=body, repeatable=bool(uid) or dry_run
        )
