"""A reading in words, for people: `slot retained debezium 6GB/10GB`."""

from __future__ import annotations

from backfill.throttle.reading import Reading, Unit
from backfill.values.units import format_duration, format_size


def reading_text(reading: Reading) -> str:
    """Return the measure, its subject, the value and the limit; `?` is unknown."""
    words = " ".join(filter(None, (measure_words(reading), reading.subject)))
    limit = "" if reading.limit is None else f"/{_amount(reading.limit, reading.unit)}"
    return f"{words} {'?' if reading.value is None else _amount(reading.value, reading.unit)}{limit}"


def measure_words(reading: Reading) -> str:
    """Return what was measured, without its unit."""
    return reading.measure.removesuffix(f"_{reading.unit}").replace("_", " ")


def limit_share(reading: Reading) -> float:
    """Return how much of its limit a value has used; 0 without a limit, 1 if unknown or above a limit of 0."""
    if reading.limit is None:
        return 0.0
    if reading.value is None:
        return 1.0
    return reading.value / reading.limit if reading.limit > 0 else float(reading.value > reading.limit)


def _amount(value: float, unit: Unit) -> str:
    match unit:
        case Unit.SECONDS:
            return format_duration(value)
        case Unit.BYTES:
            return format_size(value)
        case Unit.COUNT:
            return f"{value:g}"
