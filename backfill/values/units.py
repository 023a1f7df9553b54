"""Durations, sizes and rates: the text that a person writes, and the shortest text for a person to read.

Sizes are PostgreSQL's: `1MB` is 1024² bytes, as in postgresql.conf. Durations are seconds inside, and `250ms`, `10s`,
`1m30s`, `2h` outside; a bare number is refused.
"""

from __future__ import annotations

import re
from decimal import Decimal

from backfill.values.text import shown

# In the order in which they may be written, so that `1m30s` is a duration and `30s1m` is not.
_SECONDS = {"d": "86400", "h": "3600", "m": "60", "s": "1", "ms": "0.001", "us": "0.000001"}
_BYTES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}

# The length bound keeps every value finite; the classes are spelt out because editors read these patterns too.
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
DURATION_PATTERN = "^(?=[0-9])" + "".join(f"(?:{_NUMBER}{unit})?" for unit in _SECONDS) + "$"
SIZE_PATTERN = f"^{_NUMBER} ?(?:{'|'.join(_BYTES)})$"
RATE_PATTERN = f"{SIZE_PATTERN[:-1]}/s$"

_PART = re.compile(f"({_NUMBER})([a-zA-Z]+)")

# From this many seconds on: a large unit, and a small one to follow it in two digits.
_PAIRS = ((2 * 86400, "d", 86400, "h", 3600), (3600, "h", 3600, "m", 60), (0, "m", 60, "s", 1))


def parse_duration(text: str) -> float:
    """Return seconds for `250ms`, `10s` or `1m30s`; raise ValueError with the allowed forms."""
    if not re.fullmatch(DURATION_PATTERN, text):
        allowed = "write a number and us, ms, s, m, h or d, such as 250ms"
        raise ValueError(f"not a duration: {shown(text)}; {allowed}")
    return float(sum(Decimal(number) * Decimal(_SECONDS[unit]) for number, unit in _PART.findall(text)))


def parse_size(text: str) -> int:
    """Return bytes for `256MB`; raise ValueError with the allowed units."""
    if not re.fullmatch(SIZE_PATTERN, text):
        raise ValueError(f"not a size: {shown(text)}; write a number and B, kB, MB, GB or TB, such as 256MB")
    number, unit = _PART.findall(text.replace(" ", ""))[0]
    return round(Decimal(number) * _BYTES[unit])


def parse_rate(text: str) -> int:
    """Return bytes per second for `32MB/s`; raise ValueError with the allowed units."""
    if not re.fullmatch(RATE_PATTERN, text):
        raise ValueError(f"not a rate: {shown(text)}; write a size and /s, such as 32MB/s")
    return parse_size(text.removesuffix("/s"))


def format_duration(seconds: float) -> str:
    """Return `12.4s`, `250ms`, `3m20s` or `2h05m`: within five percent."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 59.95:
        return _format_below_minute(seconds)
    whole = round(seconds)
    _, high, high_s, low, low_s = next(pair for pair in _PAIRS if whole >= pair[0])
    return f"{whole // high_s}{high}{whole % high_s // low_s:02d}{low}"


def _format_below_minute(seconds: float) -> str:
    if seconds >= 0.9995:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    if seconds >= 0.0009995:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds * 1e6:.0f}us" if seconds > 5e-7 else "0s"


def format_size(size_bytes: float) -> str:
    """Return `12.4MB`, `640kB` or `0B`, in PostgreSQL's units."""
    if size_bytes < 0:
        return "-" + format_size(-size_bytes)
    for unit, factor in reversed(_BYTES.items()):
        number = size_bytes / factor
        # 1023.9kB would round to 1024kB: that is 1MB to a person.
        if number >= (0.9995 if factor > 1 else 0.5):
            decimals = 1 if number < 99.95 and factor > 1 else 0
            return f"{number:.{decimals}f}".removesuffix(".0") + unit
    return "0B"


def format_rate(rate_bytes_s: float) -> str:
    """Return `3.9MB/s`."""
    return format_size(rate_bytes_s) + "/s"
