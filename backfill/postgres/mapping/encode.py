"""A row function's values: Python's own on the way in, on the way out texts that PostgreSQL reads as a column's type.

Texts and not typed parameters: a list of them may mix int and Decimal, None stands for NULL in all, and a type that
the driver does not know is as good as any other.
"""

from __future__ import annotations

import json
from typing import Any

from psycopg import AsyncCursor, DataError, ProgrammingError
from psycopg.adapt import Buffer, PyFormat, Transformer
from psycopg.types import datetime as dates

from backfill.values.identifier import storable

JSON_TYPES = ("json", "jsonb")

_TRANSFORMER = Transformer()


def text_of(value: Any, kind: str) -> str | None:
    """Return the value as text of a type; for json it is the JSON value itself, so a str becomes a JSON string."""
    if value is None:
        return None
    element = kind.removesuffix("[]")
    if isinstance(value, list) and element != kind:
        texts = _each(value, element)
        return bytes(_TRANSFORMER.get_dumper(texts, PyFormat.TEXT).dump(texts) or b"{}").decode()
    if kind in JSON_TYPES:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    text = value if isinstance(value, str) else _dumped(value)  # a str is PostgreSQL's own notation of any type
    if text is not None and not storable(text):
        raise ValueError("it has a character that PostgreSQL cannot store")
    return text


def _dumped(value: Any) -> str | None:
    try:
        dumped = _TRANSFORMER.get_dumper(value, PyFormat.TEXT).dump(value)
    except ProgrammingError:
        raise TypeError("PostgreSQL has no such type; return its text") from None
    return None if dumped is None else bytes(dumped).decode()


def _each(values: list[Any], element: str) -> list[Any]:
    """Return the items of an array as texts: lists in lists are its dimensions, but in an array of json."""
    nested = element not in JSON_TYPES
    return [_each(one, element) if nested and isinstance(one, list) else text_of(one, element) for one in values]


def keep_exact_values(cursor: AsyncCursor[Any]) -> None:
    """Let dates and times that Python has none for (infinity, years before 1, 24:00) arrive as PostgreSQL's text."""
    for name, loader in _LENIENT.items():
        cursor.adapters.register_loader(name, loader)


def _with_out_of_range_dates(strict: type[Any]) -> type[Any]:
    class Lenient(strict):  # type: ignore[misc]
        def load(self, data: Buffer) -> Any:
            try:
                return super().load(data)
            except DataError:
                return bytes(data).decode()

    return Lenient


_LENIENT = {
    "date": _with_out_of_range_dates(dates.DateLoader),
    "time": _with_out_of_range_dates(dates.TimeLoader),
    "timetz": _with_out_of_range_dates(dates.TimetzLoader),
    "timestamp": _with_out_of_range_dates(dates.TimestampLoader),
    "timestamptz": _with_out_of_range_dates(dates.TimestamptzLoader),
    "interval": _with_out_of_range_dates(dates.IntervalLoader),
}
