"""Durations, sizes and rates: the text a person writes, and the shortest text that tells a person.

Sizes are PostgreSQL's: `1MB` is 1024² bytes, as in postgresql.conf.
Durations are seconds as floats inside, and `250ms`, `10s`, `1m30s`, `2h` outside; a bare number is refused.
"""

from __future__ import annotations

import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB)")


def parse_duration(text: str) -> float:
    """Return seconds for `250ms`, `10s` or `1m30s`; raise ValueError with the allowed forms."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration: {text!r}; write a number and us, ms, s, m, h or d, such as 250ms")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(text: str) -> int:
    """Return bytes for `256MB`; raise ValueError with the allowed units."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a size: {text!r}; write a number and B, kB, MB, GB or TB, such as 256MB")
    return round(float(match[1]) * _BYTES[match[2]])


def parse_rate(text: str) -> int:
    """Return bytes per second for `32MB/s`; raise ValueError with the allowed units."""
    if not text.endswith("/s") or not _SIZE.fullmatch(text[:-2]):
        raise ValueError(f"not a rate: {text!r}; write a size and /s, such as 32MB/s")
    return parse_size(text[:-2])


def format_duration(seconds: float) -> str:
    """Return `12.4s`, `250ms`, `3m20s` or `2h05m`: at most three significant figures."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds == 0:
        return "0s"
    if round(seconds, 3) < 1:
        return f"{round(seconds * 1e3)}ms" if seconds >= 5e-4 else f"{seconds * 1e6:.0f}us"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 2 * 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def format_size(size_bytes: float) -> str:
    """Return `12.4MB`, `640kB` or `0B`, in PostgreSQL's units."""
    if size_bytes < 0:
        return "-" + format_size(-size_bytes)
    for unit, factor in reversed(_BYTES.items()):
        if size_bytes >= factor:
            number = size_bytes / factor
            return (f"{number:.1f}" if number < 100 and factor > 1 else f"{number:.0f}").removesuffix(
                ".0"
            ) + unit
    return "0B"


def format_rate(rate_bytes_s: float) -> str:
    """Return `3.9MB/s`."""
    return format_size(rate_bytes_s) + "/s"
