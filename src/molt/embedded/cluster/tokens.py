"""Who asks: an administrator's token, or a ServiceAccount's, which is a signed JWT as in Kubernetes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.errors import StoreNotFound
from molt.embedded.cluster.objects import rfc3339
from molt.embedded.cluster.problems import unauthorized

if TYPE_CHECKING:
    from molt.embedded.cluster.store import Store

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
LIFETIME: Final = 3600
TOKENS_KNOWN: Final = 256  # whose signature need not be computed again
MASTERS: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"


@dataclass(frozen=True, slots=True)
class User:
    """An account and its groups."""

    name: str
    groups: tuple[str, ...]


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))


class Tokens:
    """The tokens of one server: its own administrator's, and those it issues (valid until it stops)."""

    def __init__(self, store: Store, admin_token: str) -> None:
        """Accept `admin_token` as an administrator's."""
        self._store = store
        self._admin = admin_token
        self._key = secrets.token_bytes(32)
        self._read = lru_cache(TOKENS_KNOWN)(self._verified)

    def user(self, token: str) -> User:
        """Return whose token it is. Raises Refused (401)."""
        if hmac.compare_digest(token.encode(), self._admin.encode()):
            return User("kubernetes-admin", (MASTERS, AUTHENTICATED))
        claims = self._claims(token)
        bound = claims["kubernetes.io"]
        namespace, account = bound["namespace"], bound["serviceaccount"]
        self._check("serviceaccounts", namespace, account)
        if "pod" in bound:
            self._check("pods", namespace, bound["pod"])
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return User(claims["sub"], groups)

    def issue(self, account: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        """Return the TokenRequest of a ServiceAccount, answered with a token."""
        spec = request.get("spec") or {}
        seconds = int(spec.get("expirationSeconds") or LIFETIME)
        now = self._store.now()
        metadata = account["metadata"]
        bound: dict[str, Any] = {"namespace": metadata["namespace"]}
        bound["serviceaccount"] = {"name": metadata["name"], "uid": metadata["uid"]}
        if (reference := spec.get("boundObjectRef") or {}).get("kind") == "Pod":
            bound["pod"] = {"name": reference["name"], "uid": reference["uid"]}
        claims = {
            "aud": spec.get("audiences") or [ISSUER],
            "exp": int(now.timestamp()) + seconds,
            "iat": int(now.timestamp()),
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": int(now.timestamp()),
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        answered = {"token": self._sign(claims), "expirationTimestamp": rfc3339(now + timedelta(seconds=seconds))}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "spec": {"audiences": claims["aud"], "expirationSeconds": seconds, "boundObjectRef": reference or None},
            "status": answered,
        }

    def _sign(self, claims: dict[str, Any]) -> str:
        head = _encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        text = f"{head}.{_encoded(json.dumps(claims).encode())}"
        return f"{text}.{self._signature(text)}"

    def _signature(self, text: str) -> str:
        return _encoded(hmac.digest(self._key, text.encode(), hashlib.sha256))

    def _claims(self, token: str) -> dict[str, Any]:
        claims = self._read(token)
        if claims["exp"] < self._store.now().timestamp():
            raise unauthorized()
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise unauthorized()
        body = text.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return claims

    def _check(self, plural: str, namespace: str, reference: dict[str, str]) -> None:
        """Refuse a token whose account or pod is gone, or is another of the same name."""
        try:
            found = self._store.get(plural, namespace, reference["name"])
        except StoreNotFound:
            raise unauthorized() from None
        if found["metadata"]["uid"] != reference["uid"]:
            raise unauthorized()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
