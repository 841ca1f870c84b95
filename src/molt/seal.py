"""The signature of events: a function that acts on an itinerary knows that a function of this installation wrote it.

    moltsignature   HMAC-SHA256, hexadecimal, over the canonical event
    moltkey         which key: a hash that tells nothing of it
    moltcluster     the cluster that it was signed in
    moltexpiry      RFC 3339; from then on it is refused

The canonical event is one line of JSON, keys sorted, no blanks, UTF-8: id, source, type, subject, time, the extension
`remedy` and the data, and cluster and expiry. What brokers add or change on the way (`knative...`, `traceparent`) is in
no signature, and nothing is decided by it. Whatever signs has the key: a signature says that the event is from one of
molt's functions, not from which. Until it expires, an event can be sent again; every step looks at the cluster first,
so that doing one twice does nothing.

The keys of a function are its settings (molt.seal.of): it signs with the first and takes either, so that a key is
changed without losing what is on its way.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from molt import timestamps
from molt.outcome import RefusedEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.events import Event

KEY = "MOLT_SIGNING_KEY"
PREVIOUS = f"{KEY}_PREVIOUS"
CLUSTER = "MOLT_CLUSTER"
LIFETIME = "MOLT_SIGNATURE_SECONDS"

SHORTEST_KEY = 32
"""Bytes: the length of the hash (RFC 2104, 3)."""
LONGEST_CLUSTER = 253
USUAL_LIFETIME = timedelta(hours=1)
"""Far longer than a broker tries one event: each step signs anew."""
FEWEST_SECONDS, MOST_SECONDS = 60, 604_800  # a week

SIGNATURE, KEY_ID, CLUSTER_ID, EXPIRY = ATTRIBUTES = ("moltsignature", "moltkey", "moltcluster", "moltexpiry")
"""The extension attributes, named as CloudEvents wants it: lower case, at most 20 characters."""

UNSIGNED = "it has no signature"
FOREIGN = "it was signed in another cluster"
UNKNOWN_KEY = "it was signed with a key that is not known here"
ALTERED = "its signature does not belong to it"
EXPIRED = "its signature has expired"
REASONS = (UNSIGNED, FOREIGN, UNKNOWN_KEY, ALTERED, EXPIRED)
_REFUSED = "403"
"""How every reason begins for which an event is refused."""

_SIGNED_EXTENSIONS = ("remedy",)  # the one extension that anything is decided by
_KEY_ID = b"molt: the name of a signing key"


@dataclass(frozen=True, slots=True)
class Seal:
    """Signs events with the first of `keys`, as of this cluster, for `lifetime`; takes what any of them has signed."""

    keys: tuple[bytes, ...] = field(repr=False)
    cluster: str
    lifetime: timedelta = USUAL_LIFETIME

    def sign(self, event: Event, now: datetime) -> Event:
        """Return the event with a signature of ours, in place of any that it has."""
        key = self.keys[0]
        expiry = timestamps.render(now.replace(microsecond=0) + self.lifetime)
        marks = {KEY_ID: key_id(key), CLUSTER_ID: self.cluster, EXPIRY: expiry}
        signature = _signature(key, event, self.cluster, expiry)
        return replace(event, extensions={**event.extensions, **marks, SIGNATURE: signature})

    def check(self, event: Event, now: datetime) -> None:
        """Raise RefusedEvent, with one of REASONS, unless this cluster's functions signed the event and it is fresh."""
        self._authentic(event)
        expiry = event.extensions[EXPIRY]
        end = timestamps.rfc3339(expiry)
        if end is None or now >= end:
            raise RefusedEvent(f"{EXPIRED}: {expiry[:64]}")

    def renew(self, event: Event, now: datetime) -> Event:
        """Return the event signed anew, however old its signature is: to send a dead letter again.

        Raises RefusedEvent for one that was never ours. To sign whatever lies in the dead letter would make a forger's
        event a true one.
        """
        self._authentic(event)
        return self.sign(event, now)

    def _authentic(self, event: Event) -> None:
        given = event.extensions
        if not given.get(SIGNATURE):
            raise RefusedEvent(UNSIGNED)
        cluster, expiry = given.get(CLUSTER_ID, ""), given.get(EXPIRY, "")
        if cluster != self.cluster:
            raise RefusedEvent(f"{FOREIGN}: {cluster[:LONGEST_CLUSTER]!r}, this is {self.cluster!r}")
        named = given.get(KEY_ID, "")
        key = next((key for key in self.keys if key_id(key) == named), None)
        if key is None:
            raise RefusedEvent(f"{UNKNOWN_KEY}: {named[:64]!r}")
        expected = _signature(key, event, cluster, expiry)
        if not hmac.compare_digest(expected.encode(), given[SIGNATURE].encode(errors="replace")):
            raise RefusedEvent(ALTERED)


def of(settings: Mapping[str, str]) -> Seal:
    """Return the seal that KEY, PREVIOUS (optional), CLUSTER and LIFETIME (optional) of the settings make.

    A key is its bytes as they stand, be they base64, hexadecimal or a pass phrase. Raises ValueError, in one line, when
    one is missing, too short or none.
    """
    keys = [_secret(settings, KEY)]
    if settings.get(PREVIOUS, "").strip():
        keys.append(_secret(settings, PREVIOUS))
    cluster = settings.get(CLUSTER, "").strip()
    if not cluster.isascii() or not cluster.isprintable() or not 0 < len(cluster) <= LONGEST_CLUSTER:
        raise ValueError(f"{CLUSTER} must be the cluster's name or UID, in 1 to {LONGEST_CLUSTER} characters of ASCII")
    return Seal(tuple(keys), cluster, _lifetime(settings.get(LIFETIME, "").strip()))


def key_id(key: bytes) -> str:
    """Return the name of a key, 16 hexadecimal digits, from which nobody can tell the key."""
    return hmac.digest(key, _KEY_ID, "sha256").hex()[:16]


def canonical(event: Event, cluster: str, expiry: str) -> bytes:
    """Return the bytes that are signed: the same before and after any number of brokers."""
    signed = {
        "cluster": cluster,
        "data": event.data,
        "expiry": expiry,
        "extensions": {name: event.extensions[name] for name in _SIGNED_EXTENSIONS if name in event.extensions},
        "id": event.id,
        "source": event.source,
        "subject": event.subject,
        "time": event.time and timestamps.render(event.time),
        "type": event.type,
    }
    text = json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.encode("utf-8", "replace")  # as molt.events.render


def _signature(key: bytes, event: Event, cluster: str, expiry: str) -> str:
    return hmac.digest(key, canonical(event, cluster, expiry), "sha256").hex()


def _lifetime(said: str) -> timedelta:
    if not said:
        return USUAL_LIFETIME
    seconds = int(said) if re.fullmatch(r"[0-9]{1,9}", said) else 0
    if not FEWEST_SECONDS <= seconds <= MOST_SECONDS:
        raise ValueError(f"{LIFETIME} is {said[:64]!r}, and must be a number from {FEWEST_SECONDS} to {MOST_SECONDS}")
    return timedelta(seconds=seconds)


def _secret(settings: Mapping[str, str], name: str) -> bytes:
    key = settings.get(name, "").strip().encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"{name} has {len(key)} bytes, and must have {SHORTEST_KEY} at least")
    return key


def refused_for(told: str) -> str:
    """Return for which of REASONS a function refused an event, by the status and text of its answer; "" for none."""
    status, _, said = told.partition(" ")
    return next((reason for reason in REASONS if status == _REFUSED and said.startswith(reason)), "")
