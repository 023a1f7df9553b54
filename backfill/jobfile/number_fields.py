"""The job file's numbers, durations, sizes and rates, each within limits that read as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Callable

from backfill.jobfile.field_types import ParsedType, UnquotedScalar, not_allowed, wrong_kind
from backfill.values.units import DURATION_PATTERN, RATE_PATTERN, SIZE_PATTERN, parse_duration, parse_rate, parse_size


def whole(low: int, high: int, example: int) -> ParsedType:
    """Return the type of whole numbers from `low` to `high`, written with digits alone."""

    def parse(value: object) -> int:
        if isinstance(value, UnquotedScalar) and re.fullmatch("-?(0|[1-9][0-9]{0,40})", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_kind(f"write a whole number such as {example}")
        if not low <= value <= high:
            raise not_allowed(f"{low} to {high}")
        return value

    return ParsedType(parse, {"type": "integer", "minimum": low, "maximum": high})


def number(low: float, high: float, example: float) -> ParsedType:
    """Return the type of numbers, whole or not."""

    def parse(value: object) -> float:
        if isinstance(value, UnquotedScalar) and re.fullmatch(r"[-+]?[0-9]{1,15}(\.[0-9]{1,15})?", value):
            value = float(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise wrong_kind(f"write a number such as {example:g}")
        if not low <= value <= high:
            raise not_allowed(f"{low:g} to {high:g}")
        return float(value)

    return ParsedType(parse, {"type": "number", "minimum": low, "maximum": high})


def one_of(*allowed: str | int) -> ParsedType:
    """Return the type of a few words or numbers."""
    values = {str(value): value for value in allowed}

    def parse(value: object) -> str | int:
        if isinstance(value, UnquotedScalar):
            value = values.get(value)
        if value not in allowed or isinstance(value, bool):
            raise not_allowed(", ".join(values))
        return values[str(value)]

    return ParsedType(parse, {"enum": list(allowed)})


def truth() -> ParsedType:
    """Return the type of truth values: `true` or `false`."""

    def parse(value: object) -> bool:
        if isinstance(value, UnquotedScalar):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            raise not_allowed("true, false")
        return value

    return ParsedType(parse, {"type": "boolean"})


def duration(low: str, high: str) -> ParsedType:
    """Return the type of durations, in seconds: `250ms`."""
    return _measure(parse_duration, DURATION_PATTERN, low, high)


def size(low: str, high: str) -> ParsedType:
    """Return the type of sizes, in bytes: `256MB`."""
    return _measure(parse_size, SIZE_PATTERN, low, high)


def rate(low: str, high: str) -> ParsedType:
    """Return the type of rates, in bytes per second: `32MB/s`."""
    return _measure(parse_rate, RATE_PATTERN, low, high)


def _measure(parse_text: Callable[[str], float], pattern: str, low: str, high: str) -> ParsedType:
    least, most = parse_text(low), parse_text(high)

    def parse(value: object) -> float:
        number = parse_text(value) if isinstance(value, str) else value
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise wrong_kind(f"write a text such as {low}")
        if not least <= number <= most:
            raise not_allowed(f"{low} to {high}")
        return number

    return ParsedType(parse, {"type": "string", "pattern": pattern})
