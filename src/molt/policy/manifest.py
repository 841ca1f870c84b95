"""What the two kinds of policy have in common: the envelope, and the words of their modes and strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.policy.fields import Problems, Reader, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "molt-project.io"
API_VERSION = f"{GROUP}/v1alpha1"
MODES = ("DryRun", "Enforce")
STRATEGIES = ("Evict", "Replace", "Relocate", "Restart")


@dataclass(frozen=True, slots=True)
class Envelope:
    """An object's identity; `uid` is "" and `generation` 0 for a policy that comes from a file."""

    name: str
    namespace: str
    uid: str
    generation: int


def open_manifest(obj: Any, kind: str, problems: Problems) -> tuple[Envelope, Reader]:
    """Return the identity and the spec's reader of a manifest of `kind`; what is wrong with the envelope is noted."""
    if obj is None:
        problems.note("manifest", "is empty")
    top = Reader(obj, "", problems)
    for name, wanted in (("apiVersion", API_VERSION), ("kind", kind)):
        value = top.raw(name, required=True)
        if value not in (None, wanted):
            problems.note(name, f"{quote(value)} is not {quote(wanted)}")
    metadata = top.object("metadata", required=True)
    envelope = Envelope(
        name=metadata.text("name", required=True),
        namespace=metadata.text("namespace", longest=63) or "default",
        uid=metadata.text("uid"),
        generation=metadata.integer("generation", least=0, most=2**63 - 1, default=0),
    )
    top.raw("status")  # written by molt, never read
    spec = top.object("spec", required=True)
    top.close()
    return envelope, spec


def kind_of(obj: Any) -> tuple[Any, Any]:
    """Return the apiVersion and kind that an object claims."""
    claims: Mapping[str, Any] = obj if isinstance(obj, dict) else {}
    return claims.get("apiVersion"), claims.get("kind")
