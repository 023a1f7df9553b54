"""What is read from the state schema is data: anybody with rights on it may have changed it by hand.

A value that no version writes raises Halted, with the row and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from datetime import datetime
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from psycopg.sql import SQL

from backfill.jobfile.overrides import TimedLimit, limits_at
from backfill.values.errors import Halted, StatementRefused
from backfill.values.text import shown

T = TypeVar("T")
DATA_EXCEPTION = "22"
"""Class of SQLSTATEs: a value is out of range, or not of its form."""


class UnreadableValue(ValueError):
    """A value of the state that no version of backfill writes."""


class UnreadableOverrides(UnreadableValue):
    """Changed limits that no version of backfill writes."""


def unreadable(job: str, table: str, why: Exception | str) -> Halted:
    """Return the error of a row that was changed by hand."""
    delete = SQL("DELETE FROM backfill.job WHERE name = {};").format(job).as_string()
    remedy = f"remove the state of the job (filled rows stay filled): {delete}"
    if isinstance(why, UnreadableOverrides):
        remedy = f"run: backfill tune {job} --reset"
    return Halted(f"a row of job {job!r} in backfill.{table} was changed by hand: {why}; correct it, or {remedy}")


@contextmanager
def reading(job: str, table: str) -> Iterator[None]:
    """Raise Halted if what a job's rows hold cannot be what backfill wrote."""
    try:
        yield
    except UnreadableValue as error:
        raise unreadable(job, table, error) from None
    except StatementRefused as error:
        if error.sqlstate[:2] != DATA_EXCEPTION:
            raise
        raise unreadable(job, table, str(error).partition("\n")[0]) from None


def object_in(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Return a jsonb object."""
    value = row[column]
    if not isinstance(value, dict):
        raise UnreadableValue(f"{column} is {_shown(value)}, not an object")
    return value


def overrides_in(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits that were changed, as texts by their names."""
    overrides = row["tuned"]
    if not isinstance(overrides, dict):
        raise UnreadableOverrides(f"tuned is {_shown(overrides)}, not an object")
    for name, text in overrides.items():
        if not isinstance(text, str):
            raise UnreadableOverrides(f"tuned.{name} is {_shown(text)}, not a text")
    return overrides


def timed_in(row: Mapping[str, Any]) -> dict[str, TimedLimit]:
    """Return the limits that were changed until an end, by their names."""
    stored = row["tuned_until"]
    if not isinstance(stored, dict):
        raise UnreadableOverrides(f"tuned_until is {_shown(stored)}, not an object")
    return {name: _timed(f"tuned_until.{name}", limit) for name, limit in stored.items()}


def _timed(name: str, limit: object) -> TimedLimit:
    match limit:
        case {"value": str(value), "until": str(until)}:
            with suppress(ValueError):
                moment = datetime.fromisoformat(until)
                if moment.tzinfo is not None:
                    return TimedLimit(value, moment)
    raise UnreadableOverrides(f"{name} is {_shown(limit)}, not a value with the time of its end")


def limits_in(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the changed limits that hold now, by the server's clock."""
    return limits_at(overrides_in(row), timed_in(row), datetime.fromisoformat(row["now"]))


def value_of(kind: type[T], data: object, column: str) -> T:
    """Return a frozen value from a jsonb object with its fields; those that have defaults may be missing."""
    if not isinstance(data, dict):
        raise UnreadableValue(f"{column} is {_shown(data)}, not an object")
    values, hints = {}, get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in data:
            values[field.name] = _converted(hints[field.name], data[field.name], f"{column}.{field.name}")
        elif field.default is MISSING:
            raise UnreadableValue(f"{column} has no {field.name}")
    return kind(**values)


def records_in(kind: type[T], row: Mapping[str, Any], column: str) -> dict[str, T]:
    """Return frozen values by their names from a jsonb object of objects."""
    return {name: value_of(kind, record, f"{column}.{name}") for name, record in object_in(row, column).items()}


def _shown(value: object) -> str:
    return shown(json.dumps(value, default=str))


def _converted(hint: Any, value: Any, name: str) -> Any:
    """Return a JSON value as the type that it is to have: numbers, texts, None and tuples of texts."""
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        [hint] = [member for member in get_args(hint) if member is not type(None)]
    if get_origin(hint) is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    accepted = (int, float) if hint is float else hint
    if get_origin(hint) is None and isinstance(value, accepted) and not (isinstance(value, bool) and hint is not bool):
        return value
    raise UnreadableValue(f"{name} is {_shown(value)}")
