"""The target table's shape, as the catalog has it: what a plan and a checkpoint need to know of it.

`filenode`, `oid` and `system_identifier` name the physical file. A row address (ctid) means something only while
all three stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from backfill.values.identifier import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its type as `format_type` prints it, and what an UPDATE of it means.

    `indexed` is whether an UPDATE of it cannot be HOT; summarizing indexes (BRIN) do not count since PostgreSQL 16.
    """

    name: str
    type: str
    generated: bool
    indexed: bool


@dataclass(frozen=True, slots=True)
class TableIdentity:
    """Which physical file row addresses belong to."""

    oid: int
    filenode: int
    system_identifier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One ordinary heap table, or the head of a partitioned one, which has no pages.

    `pages` is its size now; `rows_estimated` is the planner's, 0 when never analysed. `alias` is what expressions
    call a row if several tables are filled: the name of the job's table; None if that is this one's own.
    `row_update_triggers` fire for each row, before or after it. `deferrable` are constraints and constraint triggers
    that may be checked behind the UPDATE.
    `key_operators` are the equality operators of the key's columns, with their schemas; PostgreSQL's own if empty.
    """

    name: TableName
    identity: TableIdentity
    pages: int
    rows_estimated: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    before_update_triggers: tuple[str, ...]
    indexes: int = 0
    alias: str | None = None
    key_operators: tuple[str, ...] = ()
    row_update_triggers: tuple[str, ...] = ()
    deferrable: tuple[str, ...] = ()

    @property
    def foreseeable(self) -> bool:
        """Whether the row after an UPDATE follows from the row before it and the `set` expressions alone."""
        return not self.before_update_triggers and not any(column.generated for column in self.columns)

    @property
    def columns_indexed(self) -> tuple[Column, ...]:
        """Columns whose UPDATE cannot be HOT."""
        return tuple(column for column in self.columns if column.indexed)


def difference(before: TableIdentity, now: TableIdentity) -> str | None:
    """Return why row addresses recorded under `before` mean nothing now, or None while they still do."""
    if before.system_identifier != now.system_identifier:
        return "the checkpoint was written in another cluster"
    if before.oid != now.oid:
        return "the table was dropped and made again"
    if before.filenode != now.filenode:
        return "the table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE or an ALTER TABLE)"
    return None
