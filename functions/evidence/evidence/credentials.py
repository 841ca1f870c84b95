r"""Credentials in a text: found by the names that stand before them, by their place, or by their shape. Pure.

    NAME=x, NAME = x, --NAME x, "NAME": "x", NAME: x     where the name says that it is a credential
    Authorization: Bearer x                              to the end of the line
    -u user:x, mysql -px, sshpass -p x, redis-cli -a x   by the command
    scheme://user:x@host                                 up to the last @ of the authority
    tokens of well-known form, private keys              wherever they stand

It is best effort: a password that no name stands before looks like any other word. Every search is linear in the text,
or bounded: it may come from an attacker.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

_DIGITS: Final = 8
_CREDENTIAL: Final = re.compile(
    r"pass(?!ive|enger|age|through)|pwd|token|secret|cred(?:s|ential)|private|api.?key|key$|keys$|key[^a-z]|auth(?!or(?!iz))"
    r"|cookie|session.?id|signature|salt|dsn|conn(?:ection)?.?str|jwt|bearer|web.?hook"
    r"|(?<![a-z])(?:pat|pw|sas|sig|otp)(?![a-z])",
    re.IGNORECASE,
)
_QUOTE: Final = r"\\{0,8}[\"']"
_NAMED: Final = re.compile(
    rf"(?P<quote>{_QUOTE})(?P<quoted>[\w./ -]{{1,100}})(?P=quote)\s{{0,20}}(?::|=>?)\s{{0,20}}(?={_QUOTE}|\[|\d)"
    r"|(?<![\w.-])(?P<dashes>-*)(?P<name>\w[\w.-]*)"
    r"(?:\]?(?P<is>=>?|:=|[ \t]+=[ \t]*)|(?P<colon>:(?!//)[ \t]*)|(?P<blank>[ \t]+)(?![-=]))"
)
_HEADER: Final = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]+", re.IGNORECASE)
_WHOLE: Final = re.compile(rf"(?P<quote>{_QUOTE})(?P<value>(?:(?!(?P=quote))(?:\\.|[^\\]))*)(?P=quote)", re.DOTALL)
_LIST: Final = re.compile(r"\[(?P<value>[^\]]*)", re.DOTALL)
_WORD: Final = re.compile(r"(?P<value>\\{0,8}[\"'].+|[^\s;&|\"'`]+)", re.DOTALL)
_LINE: Final = re.compile(r"(?P<value>[^\r\n\"'`]+)")
_REFERENCE: Final = re.compile(r"\$\(\w+\)|\$\{?[A-Z_][A-Z0-9_]*\}?")
_BY_COMMAND: Final = re.compile(
    r"(?<![^\s\"'])(?:-u|-U|--user|--proxy-user)(?:[ \t]{1,9}|=)?[\"']?(?!\d+:\d+\b)"
    r"[^\s:\"']+:(?!//)(?P<user>[^\s\"']+)"
    r"|(?:mysql|mariadb)\w{0,20}[ \t](?:[^;|&\r\n]{0,200}?[ \t])?-p(?P<attached>[^\s;&|\"']+)"
    r"|sshpass[ \t]{1,9}-p[ \t]{0,9}(?P<ssh>[^\s;&|]+)"
    r"|redis-cli[ \t](?:[^;|&\r\n]{0,200}?[ \t])?-a[ \t]{1,9}(?P<redis>[^\s;&|]+)"
)
_SHAPE: Final = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|gh[a-z]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
    r"|[sr]k_live_\w{10,}|sk-\w{20,}|sk-(?:ant|proj)-[\w-]{20,})"
    r"|(?<=hooks\.slack\.com/services/)[\w/]+"
    r"|(?<=bearer )[^\s\"']{8,}|(?<=basic )[a-z0-9+/]{16,}=*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_RUN: Final = re.compile(r"\S+")
_PATH: Final = re.compile(r"[/?#]")
_UNENDED: Final = re.compile(r"[^/?#:@]*:(?!\d{1,5}(?:[/?#\"',;]|\Z))")
_TOKEN: Final = 20  # characters from which on a URL's user without password is taken for a token


def is_credential(name: str) -> bool:
    """Tell whether a name says that its value is a credential."""
    return bool(_CREDENTIAL.search(name))


def mark(value: str) -> str:
    """Return what stands in place of a value; a reference to a variable stays."""
    if _REFERENCE.fullmatch(value):
        return value
    return f"redacted: sha256:{hashlib.sha256(value.encode(errors='surrogatepass')).hexdigest()[:_DIGITS]}"


def without(text: str, *, prose: bool = False) -> str:
    """Return a text without the credentials in it; in prose a colon after a word is none of an assignment."""
    text = _without_named(text, prose=prose)
    text = _BY_COMMAND.sub(_marked, text)
    text = _RUN.sub(lambda found: _url(found[0]), text)
    return _SHAPE.sub(lambda found: mark(found[0]), text)


def without_password(pair: str) -> str:
    """Return `user:password` without the password; the user and group of a process are none."""
    user, colon, password = pair.partition(":")
    told = not password or password.startswith("//") or (user.isdigit() and password.isdigit())
    return pair if told else f"{user}{colon}{mark(password)}"


def _without_named(text: str, *, prose: bool) -> str:
    made: list[str] = []
    at = 0
    while found := _NAMED.search(text, at):
        made.append(text[at : found.end()])
        at = found.end()
        if (value := _value(found, text, prose=prose)) and value["value"]:
            start, end = value.span("value")
            made += [text[at:start], mark(value["value"])]
            at = end
    return "".join([*made, text[at:]])


def _value(found: re.Match[str], text: str, *, prose: bool) -> re.Match[str] | None:
    """Return the credential that stands after a name, None when none does."""
    at, name = found.end(), found["quoted"] or found["name"]
    forms = [_WHOLE, _WORD]
    if found["quoted"]:
        forms = [_WHOLE, _LIST, _WORD]
    elif found["blank"] and not found["dashes"]:
        return None
    elif found["colon"]:
        forms = [_WHOLE, _LINE]
        if not _HEADER.fullmatch(name) and (prose or found["colon"] == ":"):
            return None
    if not is_credential(name):
        return None
    return next((value for form in forms if (value := form.match(text, at))), None)


def _marked(found: re.Match[str]) -> str:
    """Return a match with a mark in the place of its only group that took part."""
    (start, end), whole = found.span(found.lastgroup or 0), found.start()
    return f"{found[0][: start - whole]}{mark(found.string[start:end])}"


def _url(run: str) -> str:
    """Return a text without blanks without the passwords of the URLs in it.

    A password may have an @, and, although none may, a slash: then it goes up to the last @ of the text, unless what
    stands before the slash is a port.
    """
    last, at = run.rfind("@"), 0
    made: list[str] = []
    while 0 <= (found := run.find("://", at)) < last:
        start = found + len("://")
        path = _PATH.search(run, start)
        stop = run.rfind("@", start, path.start() if path else len(run))
        if stop < 0 and _UNENDED.match(run, start):
            stop = last
        made.append(run[at:start])
        at = start
        if stop >= 0:
            user, colon, password = run[start:stop].partition(":")
            alone = password in ("", "x-oauth-basic") and len(user) >= _TOKEN
            made += [mark(user) if alone else user, colon, password and mark(password)]
            at = stop
    return "".join([*made, run[at:]])
