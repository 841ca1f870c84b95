"""Names, label keys and label values: what is wrong with one, in the API server's words.

Source: k8s.io/apimachinery v0.36.3, pkg/util/validation and pkg/api/validate/content.
"""

from __future__ import annotations

import re
from typing import Final

LABEL_MAX: Final = 63
SUBDOMAIN_MAX: Final = 253

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    f" an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    f" end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
DNS1035_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character"
    f" (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_DNS1035}')"
)
QUALIFIED_TEXT: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    f" character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
KEY_EXAMPLE: Final = "(e.g. 'example.com/MyName')"
VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character"
    f" (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
)


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def _faults(text: str, pattern: str, sentence: str, limit: int) -> list[str]:
    faults = [_too_long(limit)] if len(text.encode()) > limit else []
    return faults if re.fullmatch(pattern, text) else [*faults, sentence]


def label_faults(name: str) -> list[str]:
    """Return what is wrong with a name that must be an RFC 1123 label (namespaces)."""
    dotted = "." in name and re.fullmatch(_SUBDOMAIN, name)
    return _faults(name, _LABEL, "must not contain dots" if dotted else LABEL_TEXT, LABEL_MAX)


def subdomain_faults(name: str) -> list[str]:
    """Return what is wrong with a name that must be an RFC 1123 subdomain (most objects)."""
    return _faults(name, _SUBDOMAIN, SUBDOMAIN_TEXT, SUBDOMAIN_MAX)


def dns1035_faults(name: str) -> list[str]:
    """Return what is wrong with a name that must be an RFC 1035 label (Services)."""
    return _faults(name, _DNS1035, DNS1035_TEXT, LABEL_MAX)


def path_segment_faults(name: str) -> list[str]:
    """Return what is wrong with a name that only has to fit into a URL's path (roles and bindings)."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def label_key_faults(key: str) -> list[str]:
    """Return what is wrong with the key of a label, an annotation, or a finalizer."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [f"a valid label key {QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' {KEY_EXAMPLE}"]
    faults = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash:
        faults += [f"prefix part {fault}" for fault in subdomain_faults(prefix)]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > LABEL_MAX:
        faults.append(f"name part {_too_long(LABEL_MAX)}")
    return faults if re.fullmatch(_QUALIFIED, name) else [*faults, f"name part {QUALIFIED_TEXT}"]


def label_value_faults(value: str) -> list[str]:
    """Return what is wrong with a label's value."""
    return _faults(value, _VALUE, VALUE_TEXT, LABEL_MAX)
