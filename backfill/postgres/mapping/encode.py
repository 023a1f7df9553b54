"""A row function's values: Python's own on the way in, on the way out texts that PostgreSQL reads as a column's type.

Texts and not typed parameters: a list of them may mix int and Decimal, None stands for NULL in all, and a type that
the driver does not know is as good as any other.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, Self

from psycopg import AsyncCursor, DataError, ProgrammingError
from psycopg.adapt import Buffer, PyFormat, Transformer
from psycopg.postgres import types
from psycopg.pq import Format
from psycopg.types import datetime as dates

from backfill.values.identifier import storable

JSON_TYPES = ("json", "jsonb")

_TRANSFORMER = Transformer()
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\\.', re.DOTALL)
_NULL, _BOX_NULL = (re.compile(rf"(?<=[{{{comma}])\s*null\s*(?=[{comma}}}])", re.IGNORECASE) for comma in ",;")
"""A NULL of an array's text from which quoted items are gone."""


class Interval(timedelta):
    """An interval without years and months, with the text that PostgreSQL keeps apart: 48:00:00 is not 2 days."""

    text: str

    @classmethod
    def of(cls, duration: timedelta, text: str) -> Self:
        """Return the duration with its text."""
        interval = cls(duration.days, duration.seconds, duration.microseconds)
        interval.text = text
        return interval

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the text on the way into the function's process."""
        return type(self).of, (timedelta(self.days, self.seconds, self.microseconds), self.text)


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


def text_with_json_arrays(value: Any, kind: str) -> str | None:
    """Return the same for a role with array_nulls off: an array is JSON, because its text could not have a NULL."""
    element = kind.removesuffix("[]")
    if value is None or element == kind:
        return text_of(value, kind)
    items: Any = _each(value, element) if isinstance(value, list) else text_of(value, kind)
    return json.dumps(_items(items, element) if isinstance(items, str) else items, ensure_ascii=False)


def _items(text: str, element: str) -> list[Any] | str:
    """Return the items of an array's text if a NULL is among them, else the text, which array_nulls does not change."""
    box = element == "box"
    nulls = len((_BOX_NULL if box else _NULL).findall(_QUOTED.sub("x", text)))
    if not nulls:
        return text
    loader = _TRANSFORMER.get_loader((types["box"] if box else types["text"]).array_oid, Format.TEXT)
    items: list[Any] = loader.load(text.encode()) if text.startswith("{") else []
    if _nulls(items) != nulls:
        raise ValueError("with array_nulls = off, NULL in an array's text cannot be read; return a list")
    return items


def _nulls(items: list[Any]) -> int:
    return sum(_nulls(item) if isinstance(item, list) else item is None for item in items)


def _dumped(value: Any) -> str | None:
    if isinstance(value, Interval):
        return value.text
    if isinstance(value, timedelta):  # as ISO 8601, whose signs no IntervalStyle reads otherwise
        return f"P{value.days}DT{value.seconds}.{value.microseconds:06d}S"
    try:
        dumped = _TRANSFORMER.get_dumper(value, PyFormat.TEXT).dump(value)
    except ProgrammingError:
        raise TypeError("PostgreSQL has no such type; return its text") from None
    return None if dumped is None else bytes(dumped).decode()


def _each(values: list[Any], element: str) -> list[Any]:
    """Return the items of an array as texts: lists in lists are its dimensions, but in an array of json."""
    nested = element not in JSON_TYPES
    return [
        _each(value, element) if nested and isinstance(value, list) else text_of(value, element) for value in values
    ]


def keep_exact_values(cursor: AsyncCursor[Any]) -> None:
    """Let values that Python has none for arrive as PostgreSQL's text: infinity, years before 1, 24:00, 1 month."""
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


class _IntervalLoader(dates.IntervalLoader):
    def load(self, data: Buffer) -> Any:
        text = bytes(data).decode()
        if "year" in text or "mon" in text:  # a timedelta has days alone, and a month is not 30 of them
            return text
        try:
            return Interval.of(super().load(data), text)
        except (DataError, OverflowError):
            return text


_LENIENT: dict[str, type[Any]] = {
    "date": _with_out_of_range_dates(dates.DateLoader),
    "time": _with_out_of_range_dates(dates.TimeLoader),
    "timetz": _with_out_of_range_dates(dates.TimetzLoader),
    "timestamp": _with_out_of_range_dates(dates.TimestampLoader),
    "timestamptz": _with_out_of_range_dates(dates.TimestamptzLoader),
    "interval": _IntervalLoader,
}
