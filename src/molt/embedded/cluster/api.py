"""The API without HTTP: a request in, an answer or a stream of events out.

authenticate -> find the place -> authorise -> do -> record. Whatever is refused is an answer too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster import discovery, events, partial, reads, tables, watching
from molt.embedded.cluster.audit import Audit, AuditRecord
from molt.embedded.cluster.authorizer import Authorizer, path_refusal, refusal
from molt.embedded.cluster.deletes import Deleter
from molt.embedded.cluster.errors import StoreError
from molt.embedded.cluster.problems import (
    Refused,
    bad_request,
    method_not_allowed,
    no_such_path,
    of_store,
    unauthorized,
)
from molt.embedded.cluster.requests import Answer, Stream
from molt.embedded.cluster.resources import Kinds
from molt.embedded.cluster.routes import parse
from molt.embedded.cluster.subresources import Subresources
from molt.embedded.cluster.tokens import ANONYMOUS, MASTERS, Tokens, User
from molt.embedded.cluster.writes import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.embedded.cluster.requests import Request
    from molt.embedded.cluster.resources import Kind
    from molt.embedded.cluster.routes import Place
    from molt.embedded.cluster.store import Store

Object = dict[str, Any]

SPECIAL: Final = ("binding", "eviction", "log", "scale", "token")
# Built-in kinds have no schema here: a value of the wrong shape (a number for a map, a word for a limit) shows so.
MISSHAPEN: Final = (AttributeError, KeyError, TypeError, ValueError)
AUDIT_PATH: Final = "/debug/audit"


class Api:
    """One API server: its store, its accounts and its record of what was asked."""

    def __init__(self, store: Store, *, admin_token: str, rbac: bool = False) -> None:
        """Serve `store`; without `rbac` whoever has a token may do everything."""
        self.store = store
        self.tokens = Tokens(store, admin_token)
        self.audit = Audit()
        self._kinds = Kinds(store)
        self._authorizer = Authorizer(store) if rbac else None
        self._writer = Writer(store, self._authorise)
        self._deleter = Deleter(store, self._writer)
        self._subresources = Subresources(store, self._writer, self.tokens)

    def handle(self, request: Request) -> Answer | Stream:
        """Answer a request."""
        try:
            user = self._user(request)
        except Refused as refused:
            return _refusal(refused)
        place = parse(request.method, request.path, request.query, self._kinds)
        try:
            answer = self._path(request, user) if place is None else self._place(request, place, user)
        except Refused as refused:
            answer = _refusal(refused)
        except StoreError as error:
            answer = _refusal(of_store(error))
        except MISSHAPEN as error:
            answer = _refusal(bad_request(f"the request cannot be handled: {error!r}"))
        if place is not None:
            code = answer.code if isinstance(answer, Answer) else 200
            names = (place.group, place.full_resource, place.namespace, place.name)
            self.audit.add(AuditRecord(user.name, place.verb, *names, code))
        return answer

    def _user(self, request: Request) -> User:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.user(token.strip())
        if self._authorizer is None and request.path not in discovery.HEALTH:
            raise unauthorized()
        return ANONYMOUS

    def _path(self, request: Request, user: User) -> Answer:
        """Answer a request to what is no resource: discovery, health, the audit."""
        verb = request.method.lower()
        if self._authorizer is not None and not self._authorizer.allows_path(user, verb, request.path):
            raise path_refusal(user, verb, request.path)
        if request.path == AUDIT_PATH and MASTERS in user.groups:
            return self._audit(request)
        found = discovery.answer(request.path, self._kinds)
        if found is None:
            raise no_such_path()
        if request.method != "GET":
            raise method_not_allowed()
        return Answer(200, found)

    def _audit(self, request: Request) -> Answer:
        shown = Answer(200, {"items": [one.to_dict() for one in self.audit.records()]})
        if request.method == "DELETE":
            self.audit.clear()
        return shown

    def _place(self, request: Request, place: Place, user: User) -> Answer | Stream:
        self._check(user, place)
        kind = place.kind
        if kind is None or (place.subresource and place.subresource not in kind.subresources):
            raise no_such_path()
        if place.subresource in SPECIAL:
            return self._shown(request, kind, self._subresources.handle(request, place, kind))
        verbs: dict[str, Callable[[Request, Place, Kind], Answer | Stream]] = {
            "create": self._create,
            "delete": self._deleter.delete,
            "deletecollection": self._delete_many,
            "get": self._get,
            "list": self._list,
            "patch": self._writer.patch,
            "update": self._writer.update,
            "watch": self._watch,
        }
        if place.verb not in verbs:
            raise method_not_allowed()
        answer = verbs[place.verb](request, place, kind)
        return answer if isinstance(answer, Stream) else self._shown(request, kind, answer)

    def _check(self, user: User, place: Place) -> None:
        if self._authorizer is not None and not self._authorizer.allows(user, place):
            raise refusal(user, place)

    def _authorise(self, request: Request, place: Place) -> None:
        """Refuse unless who asks may do what `place` says besides what was asked."""
        self._check(self._user(request), place)

    def _create(self, request: Request, place: Place, kind: Kind) -> Answer:
        if place.name is not None or (kind.namespaced and place.namespace is None):
            raise method_not_allowed()
        return self._writer.create(request, place, kind)

    def _get(self, request: Request, place: Place, kind: Kind) -> Answer | Stream:
        if request.flag("watch"):
            return self._watch(request, place, kind)
        return Answer(200, self._writer.stored(place, kind))

    def _list(self, request: Request, place: Place, kind: Kind) -> Answer:
        return Answer(200, reads.listed(self.store, request, reads.scope(request, place, kind)))

    def _delete_many(self, request: Request, place: Place, kind: Kind) -> Answer:
        wanted = reads.scope(request, place, kind)
        found = reads.listed(self.store, request, wanted)
        self._deleter.many(request, kind, reads.selected(self.store, wanted))
        return Answer(200, found)

    def _watch(self, request: Request, place: Place, kind: Kind) -> Stream:
        seen = watching.watch(self.store, request, reads.scope(request, place, kind))
        return Stream(self._seen(kind, seen, request.headers.get("accept", "")))

    def _seen(self, kind: Kind, seen: Iterator[Object], accept: str) -> Iterator[Object]:
        """Yield a watch's events with each object in the form that was asked for."""
        for event in seen:
            obj = event["object"]
            if event["type"] != "ERROR" and partial.wanted(accept):
                yield event | {"object": partial.one(obj)}
            elif event["type"] in ("BOOKMARK", "ERROR") or not tables.wanted(accept):
                yield event | {"object": events.shown(kind, obj)}
            else:
                metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
                yield event | {"object": tables.table(kind, [obj], metadata, self.store.now())}

    def _shown(self, request: Request, kind: Kind, answer: Answer) -> Answer:
        """Return an answer in the form that was asked for."""
        body, accept = answer.body, request.headers.get("accept", "")
        if not isinstance(body, dict) or body.get("kind") == "Status":
            return answer
        if "items" in body and body.get("kind") == f"{kind.kind}List":
            return self._shown_list(kind, accept, answer.code, body)
        if partial.wanted(accept) and body.get("kind") == kind.kind:
            return replace(answer, body=partial.one(body))
        if tables.wanted(accept) and body.get("kind") == kind.kind:
            metadata = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
            return Answer(answer.code, tables.table(kind, [body], metadata, self.store.now()), answer.warnings)
        return replace(answer, body=events.shown(kind, body))

    def _shown_list(self, kind: Kind, accept: str, code: int, body: Object) -> Answer:
        if partial.wanted(accept, partial.MANY):
            return Answer(code, partial.many(body))
        if tables.wanted(accept):
            return Answer(code, tables.table(kind, body["items"], body["metadata"], self.store.now()))
        items = [events.shown(kind, item) for item in body["items"]]
        return Answer(code, reads.bare(body | {"items": items}, kind))


def _refusal(refused: Refused) -> Answer:
    return Answer(refused.code, refused.status(), retry_after=refused.retry_after)
