"""What must not stand in a bundle: credentials that somebody wrote into a manifest. Pure.

No Secret is ever read; references to one (valueFrom, secretKeyRef, secretName) say which it was, and stay. What goes:

    {name, value} pairs      of env and of probes' httpHeaders, when the name says that it is a credential
    command and args         `--password=x`, `--password x`, `PASSWORD=x`, and the password in a URL
    volumeAttributes,        of volumes: values whose key says so
    options
    annotations              kubectl's last-applied-configuration, the same manifest once more; values whose key says so

In its place stands `redacted: sha256:` and eight hexadecimal digits: enough to see that two are the same, or that it is
the one that leaked. Who guesses a weak password can check the guess by it. Logs and the alert are kept as they are.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_DIGITS: Final = 8
_CREDENTIAL: Final = re.compile(
    r"pass(?!ive|enger|age)|pwd|token|secret|credential|private|api.?key|key$|keys$|key[^a-z]|auth|cookie|session.?id"
    r"|signature|salt|dsn|conn(ection)?.?str",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(r"(?P<name>-{0,2}[A-Za-z][\w.-]*)=(?P<value>.+)", re.DOTALL)
_FLAG: Final = re.compile(r"--?[A-Za-z][\w.-]*")
_IN_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^/\s:@]*):(?P<password>[^/\s@]+)@", re.IGNORECASE)
_MAPS: Final = frozenset({"options", "volumeAttributes"})
_WORDS: Final = frozenset({"args", "command"})


def redacted(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a Kubernetes object without credentials."""
    return {name: _member(name, value) for name, value in obj.items()}


def is_credential(name: str) -> bool:
    """Tell whether a name says that its value is a credential."""
    return bool(_CREDENTIAL.search(name))


def mark(value: str) -> str:
    """Return what stands in place of a value."""
    return f"redacted: sha256:{hashlib.sha256(value.encode(errors='surrogatepass')).hexdigest()[:_DIGITS]}"


def _member(name: str, value: Any) -> Any:
    """Return the value of a member of an object."""
    if isinstance(value, dict):
        if name == "annotations":
            return {key: _annotation(key, text) for key, text in value.items()}
        if name in _MAPS:
            return {key: _named(key, text) for key, text in value.items()}
        return _object(value)
    if isinstance(value, list):
        if name in _WORDS:
            return _words(value)
        return [_object(item) if isinstance(item, dict) else item for item in value]
    return value


def _object(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object; a pair of name and value is one of env, or a header."""
    name = value.get("name")
    made = redacted(value)
    if isinstance(name, str) and "value" in value:
        made["value"] = _named(name, value["value"])
    return made


def _named(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return mark(value) if value and is_credential(name) else _without_url_passwords(value)


def _annotation(name: str, value: Any) -> Any:
    if isinstance(value, str) and (name == LAST_APPLIED or is_credential(name)):
        return mark(value)
    return value


def _words(words: Iterable[Any]) -> list[Any]:
    """Return a command line: a flag's value is in the same word, or in the next one."""
    made: list[Any] = []
    flagged = False
    for word in words:
        if not isinstance(word, str):
            made.append(word)
            continue
        found = _ASSIGNED.fullmatch(word)
        if flagged and not _FLAG.fullmatch(word):
            made.append(mark(word))
        elif found and is_credential(found["name"]):
            made.append(f"{found['name']}={mark(found['value'])}")
        else:
            made.append(_without_url_passwords(word))
        flagged = bool(_FLAG.fullmatch(word)) and is_credential(word)
    return made


def _without_url_passwords(text: str) -> str:
    return _IN_URL.sub(lambda found: f"{found['scheme']}:{mark(found['password'])}@", text)
