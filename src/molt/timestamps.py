"""The times that Falco and CloudEvents write, read to the nanosecond.

Falco writes RFC 3339 with 0 to 9 fraction digits in `time`, epoch nanoseconds in `evt.time` and `evt.rawtime`;
forwarders add epoch seconds (`date`) and microseconds, and offsets that no RFC knows (`Z+2`, UTC all the same).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 10**9  # nanoseconds
_END = 253_402_300_800 * _SECOND  # the year 10000, which datetime cannot hold

_DATE_AND_TIME = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d{1,9})\d*)?"
_RFC3339 = re.compile(_DATE_AND_TIME + r"(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FALCO = re.compile(_DATE_AND_TIME + r" ?(?:[Zz](?:[+-]\d{1,2})?|([+-])(\d{1,2}):?(\d\d)?|UTC)?", re.ASCII)
_EPOCH_NUMBER = re.compile(r"(\d{1,20})(?:\.(\d{1,9})\d*)?", re.ASCII)

# The unit an epoch number counts in, by its size: each limit is far from any time that the unit above it can mean.
_UNITS = ((10**11, _SECOND), (10**14, 10**6), (10**17, 10**3))


def nanoseconds(value: object) -> int | None:
    """Return the nanoseconds since the epoch that `value` says, or None when it says no time from 1970 to 9999.

    Text may be RFC 3339 (without an offset it is UTC) or an epoch number; the unit of an epoch number (seconds, milli-,
    micro- or nanoseconds) is told from its size.
    """
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, float):
        text = f"{value:.6f}"
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _END:
        text = str(value)
    else:
        return None
    found = _from_number(text) if _EPOCH_NUMBER.fullmatch(text) else _from_text(text)
    return found if found is not None and 0 <= found < _END else None


def to_datetime(nanos: int) -> datetime:
    """Return the aware UTC time, to the microsecond, of nanoseconds that `nanoseconds` returned."""
    return _EPOCH + timedelta(microseconds=nanos // 1000)


def rfc3339(text: str) -> datetime | None:
    """Return the aware UTC time that strictly RFC 3339 `text` says (offset required), or None."""
    if not _RFC3339.fullmatch(text):
        return None
    nanos = nanoseconds(text)
    return None if nanos is None else to_datetime(nanos)


def render(time: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, with as many fraction digits as it needs."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _from_number(text: str) -> int:
    whole, _, fraction = text.partition(".")
    number = int(whole)
    unit = next((unit for limit, unit in _UNITS if number < limit), 1)
    return number * unit + int(fraction[:9].ljust(9, "0")) * unit // _SECOND


def _from_text(text: str) -> int | None:
    match = _FALCO.fullmatch(text)
    if match is None:
        return None
    date, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        time = datetime.fromisoformat(f"{date}T{minute}:{'59' if second == '60' else second}Z")  # a leap second
    except ValueError:
        return None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    return (time - _EPOCH - offset) // timedelta(seconds=1) * _SECOND + int((fraction or "").ljust(9, "0"))
