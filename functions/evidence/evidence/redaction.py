"""What must not stand in a bundle: credentials that somebody wrote into a manifest. Pure.

No Secret is ever read; references to one (valueFrom, secretKeyRef, secretName) say which it was, and stay. What goes:

    {name, value} pairs      of env and of probes' httpHeaders, when the name says that it is a credential
    volumeAttributes,        of volumes: values whose key says so
    options
    annotations              kubectl's last-applied-configuration, the same manifest once more; values whose key says so
    command and args         the word after `--password`, `-u user:`, and all of `--password=x`
    every other text         what `credentials` finds in it

In its place stands `redacted: sha256:` and eight hexadecimal digits: enough to see that two are the same, or that it is
the one that leaked. Who guesses a weak password can check the guess by it. Logs and the alert are kept as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from evidence.credentials import is_credential, mark, without, without_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_ASSIGNED: Final = re.compile(r"(?P<name>-{0,2}[A-Za-z][\w.-]*)=(?P<value>.+)", re.DOTALL)
_FLAG: Final = re.compile(r"--?[A-Za-z][\w.-]*")
_SCRIPT: Final = re.compile(r"-[a-z]{0,9}c")  # sh -c, bash -ec: what follows is a program, and most of it no credential
_LOGIN: Final = frozenset({"-u", "-U", "--user", "--proxy-user"})
_PROGRAM: Final = re.compile(r"[^-].*(?:[;&|]\s|\n)", re.DOTALL)
_CLIENT: Final = re.compile(r"(?:.*/)?(?:mysql|mariadb)\w*", re.DOTALL)
_MAPS: Final = frozenset({"options", "volumeAttributes"})
_WORDS: Final = frozenset({"args", "command"})
_PROSE: Final = frozenset({"message", "note"})


def redacted(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a Kubernetes object without credentials."""
    return {name: _member(name, value) for name, value in obj.items()}


def _member(name: str, value: Any) -> Any:
    """Return the value of a member of an object."""
    if isinstance(value, dict):
        if name == "annotations":
            return {key: mark(text) if key == LAST_APPLIED else _named(key, text) for key, text in value.items()}
        if name in _MAPS:
            return {key: _named(key, text) for key, text in value.items()}
        return _object(value)
    if isinstance(value, list):
        return (
            _words(value)
            if name in _WORDS
            else [_object(item) if isinstance(item, dict) else _member(name, item) for item in value]
        )
    return without(value, prose=name in _PROSE) if isinstance(value, str) else value


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
    return mark(value) if value and is_credential(name) else without(value)


def _words(words: Iterable[Any]) -> list[Any]:
    """Return a command line: a flag's value is in the same word, or in the next one."""
    made: list[Any] = []
    before, client = "", False  # the word before, and whether one was a program to which `-p` is a password
    for word in words:
        if not isinstance(word, str):
            made.append(word)
            continue
        made.append(f"-p{mark(word[2:])}" if client and word.startswith("-p") else _word(word, before))
        client = client or bool(_CLIENT.fullmatch(word))
        before = word
    return made


def _word(word: str, before: str) -> str:
    if _SCRIPT.fullmatch(before) or _PROGRAM.match(word):
        return without(word)
    if is_credential(before) and _FLAG.fullmatch(before) and not _FLAG.fullmatch(word):
        return mark(word)
    if before in _LOGIN:
        return without_password(word)
    found = _ASSIGNED.fullmatch(word)
    return f"{found['name']}={mark(found['value'])}" if found and is_credential(found["name"]) else without(word)
