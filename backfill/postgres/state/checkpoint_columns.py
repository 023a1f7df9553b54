"""The columns of `backfill.checkpoint`: those of a `Checkpoint`, listed there and nowhere else.

A new field of `Checkpoint` takes a migration that adds its column. Every statement that reads or writes a checkpoint is
composed from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from functools import cache
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Placeholder
from psycopg.types.json import Jsonb

from backfill.postgres.session.sql_files import statement
from backfill.table.checkpoint import Checkpoint, Layout, Tid
from backfill.table.window_state import StripeHistory

_SPLIT = {
    "layout": ("sizes", "window_pages", "layout"),
    "next": ("next_tid",),
    "history": ("stripe_history",),
    "unconverged_xids": ("unconverged_xids",),
}
"""Fields whose columns are not of their name, because their values have parts or are no numbers."""
_SAME = tuple(field.name for field in fields(Checkpoint) if field.name not in _SPLIT)
COLUMNS = (*_SAME, *(column for columns in _SPLIT.values() for column in columns))
IDENTITY = ("table_oid", "filenode", "system_identifier")
_KEY = ("leaf", "lane")
_MOVED = tuple(column for column in COLUMNS if column not in (*_KEY, "epoch", "sequence", "wal_bytes"))


def values_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what the columns of a checkpoint hold."""
    return {name: getattr(checkpoint, name) for name in _SAME} | {
        "sizes": list(checkpoint.layout.sizes),
        "window_pages": checkpoint.layout.window_pages,
        "layout": checkpoint.layout.why,
        "next_tid": str(checkpoint.next),
        "stripe_history": Jsonb(asdict(checkpoint.history)),
        "unconverged_xids": list(checkpoint.unconverged_xids),
    }


def checkpoint_of(row: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint that a row of `backfill.checkpoint` holds."""
    return Checkpoint(
        next=Tid.parse(row["next_tid"]),
        unconverged_xids=tuple(row["unconverged_xids"]),
        history=_history(row["stripe_history"]),
        layout=Layout(_sizes(row["sizes"]), row["window_pages"], row["layout"]),
        **{name: row[name] for name in _SAME},
    )


def _sizes(stored: list[Any]) -> tuple[int, ...]:
    """Return the shares of stripes; what somebody has edited may be no numbers, and then is no layout."""
    return tuple(size if isinstance(size, int) else -1 for size in stored)


def _history(stored: Any) -> StripeHistory:
    """Return how stripes fared; what somebody has edited may be anything, and then nothing is known."""
    known = stored if isinstance(stored, dict) else {}
    values = {one.name: known.get(one.name, one.default) for one in fields(StripeHistory)}
    alike = all(type(values[one.name]) is type(one.default) for one in fields(StripeHistory))
    return StripeHistory(**values) if alike else StripeHistory()


@cache
def checkpoint_statement(name: str) -> bytes:
    """Return the text of `sql/<name>.sql` with the columns filled in."""
    created = ("job", *IDENTITY, *COLUMNS)
    replaced = [column for column in created if column not in ("job", *_KEY)]
    return (
        SQL(statement(name).decode())
        .format(
            columns=_listed(Identifier(column) for column in COLUMNS),
            created=_listed(Identifier(column) for column in created),
            values=_listed(Placeholder(column) for column in created),
            moved=_listed(SQL("{} = {}").format(Identifier(column), Placeholder(column)) for column in _MOVED),
            replaced=_listed(SQL("{0} = excluded.{0}").format(Identifier(column)) for column in replaced),
        )
        .as_string()
        .encode()
    )


def _listed(parts: Iterable[Composable]) -> Composable:
    return SQL(", ").join(parts)
