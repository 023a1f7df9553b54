"""Faults that jobs once had beside the plain UPDATE, each put back by name: the comparison has to find every one.

A fault changes the installed package in this process alone, while it is applied. What it replaces has to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

from psycopg.types.datetime import IntervalLoader

from backfill.postgres.catalog import check_expressions, output_types, update_effects
from backfill.postgres.mapping import encode
from backfill.postgres.session import connection, settings
from backfill.postgres.work import batch_transaction
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.postgres.work.batch_transaction import Updated
from backfill.table.plain_update import Difference

Change = tuple[ModuleType, str, Any]


@dataclass(frozen=True)
class Fault:
    """What is broken, how, and the fixed cases that show it; `made` is whether made cases find it soon, too."""

    name: str
    changes: Callable[[], tuple[Change, ...]]
    cases: tuple[str, ...]
    made: bool = False

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Break it for a while."""
        with ExitStack() as stack:
            for module, name, replaced in self.changes():
                stack.enter_context(patch.object(module, name, replaced))
            yield


def overridden(*names: str) -> Callable[[], tuple[Change, ...]]:
    """Let the session's own values of some settings hold in the UPDATE, too."""

    def changes() -> tuple[Change, ...]:
        changed = settings.changed

        def without(before: Any, ours: Any) -> dict[str, str]:
            return {name: value for name, value in changed(before, ours).items() if name not in names}

        return ((connection, "changed", without),)

    return changes


def accepted(*names: str) -> Callable[[], tuple[Change, ...]]:
    """Refuse no job for some differences, as if its file accepted them."""

    def changes() -> tuple[Change, ...]:
        refuse = update_effects._refuse

        def lenient(job_file: Any, differences: Iterable[Difference]) -> None:
            refuse(job_file, iter([one for one in differences if one.name not in names]))

        return ((update_effects, "_refuse", lenient),)

    return changes


def texts_of_functions() -> tuple[Change, ...]:
    """Write a row function's arrays as texts for a role that reads no NULL in them."""

    def reads_nulls(_: Mapping[str, str]) -> bool:
        return False

    return ((output_types, "reads_no_nulls", reads_nulls),)


def months_as_days() -> tuple[Change, ...]:
    """Give a row function intervals as the driver has them: a month is 30 days, a year 365."""
    return ((encode, "_LENIENT", {**encode._LENIENT, "interval": IntervalLoader}),)


def updated_again() -> tuple[Change, ...]:
    """Take every job for one whose second UPDATE of a row nobody can tell from the first."""

    async def repeatable(*_: Any, **__: Any) -> bool:
        return True

    return ((check_expressions, "is_repeatable", repeatable),)


def one_look() -> tuple[Change, ...]:
    """Believe what RETURNING says of `where`."""

    async def believed(_: BatchStatement, updated: Updated) -> Updated:
        return updated

    return ((batch_transaction, "_check_returning", believed),)


FAULTS = (
    Fault(
        "time zone overridden",
        overridden("TimeZone"),
        ("time zone of the database", "time zone of the role", "time zone in where", "time zone in a trigger"),
        made=True,
    ),
    Fault(
        "styles overridden",
        overridden("DateStyle", "IntervalStyle"),
        ("DateStyle of a constant", "DateStyle of a text", "IntervalStyle of a text"),
        made=True,
    ),
    Fault("digits overridden", overridden("extra_float_digits"), ("extra_float_digits of a text",), made=True),
    Fault(
        "row security off everywhere",
        overridden("row_security"),
        ("time zone in a trigger", "options of the environment"),
        made=True,
    ),
    Fault(
        "strings conform",
        overridden("standard_conforming_strings"),
        ("strings that do not conform",),
    ),
    Fault(
        "search path overridden",
        overridden("search_path"),
        ("a function of the path that hides a built-in", "a search path in a trigger"),
        made=True,
    ),
    Fault(
        "texts under array_nulls",
        texts_of_functions,
        ("function: array with NULL", "function: enums with NULL"),
        made=True,
    ),
    Fault("months as days", months_as_days, ("function: interval", "function: array of intervals"), made=True),
    Fault(
        "statement triggers taken",
        accepted("parent-triggers", "statement-triggers"),
        ("leaves: transition table of a partitioned table", "leaves: transition table of a leaf"),
        made=True,
    ),
    Fault("defaults of leaves taken", accepted("default"), ("leaves: a default of a child",), made=True),
    Fault(
        "rows of leaves taken",
        accepted("whole-row"),
        ("leaves: the row as a whole, as text", "leaves: the row of a child, as jsonb", "leaves: the row's type"),
        made=True,
    ),
    Fault(
        "own rows taken",
        accepted("own-table"),
        ("own rows: a count of what is set", "own rows: a trigger that reads the own table"),
        made=True,
    ),
    Fault("constraints of several rows taken", accepted("several-rows"), ("transaction: deferrable unique",)),
    Fault(
        "moving triggers taken",
        accepted("moving-trigger"),
        ("leaves: a trigger that moves rows to another partition",),
        made=True,
    ),
    Fault(
        "rows updated again",
        updated_again,
        ("own rows: a row that goes on matching", "own rows: a trigger that counts updates"),
        made=True,
    ),
    Fault("RETURNING believed", one_look, ("own rows: size of a value",)),
)
