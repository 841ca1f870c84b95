"""The key that events are signed with, for who may know it: to sign anew what is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt import seal
from molt.cli.rotation_key import secret_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.seal import Seal

SECRET = "signing-key"  # noqa: S105 - the name of it
_SETTINGS = {"key": seal.KEY, "previous-key": seal.PREVIOUS, "cluster": seal.CLUSTER}


def find(cluster: Cluster, environ: Mapping[str, str]) -> tuple[Seal | None, str]:
    """Return the functions' seal, and where it is from: the Secret that they have, else the environment's settings.

    None, and why, when the user may not read the one, or it is not there, and has not set the other. Raises
    PermanentError when what is there is no key, and the other errors of the cluster.
    """
    return secret_of(cluster, environ, SECRET, _SETTINGS, seal.of)


def renewing(known: Seal | None, now: Callable[[], datetime]) -> Callable[[Event], Event]:
    """Return what signs an event anew that was signed once: alerts never are, and a forgery stays one.

    Without a seal the event is left as it is: functions take it as long as its signature is good.
    """

    def renew(event: Event) -> Event:
        return known.renew(event, now()) if known and event.extensions.get(seal.SIGNATURE) else event

    return renew
