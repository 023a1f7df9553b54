"""Statements that depend on the job, composed with `psycopg.sql`: pure, golden-tested, EXPLAIN-tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier, Literal

from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.fragments import cast_of, range_of, residue_of, row_of, target_of
from backfill.postgres.statements.function_values import FunctionValues
from backfill.postgres.statements.page_profile import compose_profile
from backfill.postgres.statements.predicates import RowPredicates
from backfill.postgres.statements.row_sample import compose_row_sample
from backfill.postgres.statements.row_statements import (
    addresses_of,
    compose_find_rejected,
    compose_key,
    compose_row_lock,
    compose_still_matching,
    compose_values,
)
from backfill.postgres.statements.update import (
    compose_indexed_after,
    compose_indexed_before,
    compose_sample_after,
    compose_sample_before,
    compose_update,
    compose_update_alone,
)
from backfill.postgres.statements.verification import compose_proof
from backfill.table.definition import Table
from backfill.table.sparse_rows import TIDS_MAX
from backfill.values.identifier import TableName

SKIP_DATABASE_STATS_FROM = 160000


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What the engine may send for one job on one table.

    `once`: rows that our transactions left matching are not updated again. `update_alone` asks nothing of the rows
    that it has updated. `verify` reads the whole table, `verify_piece` a range of its pages. `read_inputs` reads what a
    row function is given; it is empty without one. `row_values` is what a row would be set to, None if that cannot be
    asked.
    `unforeseen` are the same statements for when `set` cannot be asked of every row; None if it is not asked.
    """

    foreseen: bool
    once: bool
    profile: Composed
    row_sample: Composed
    count: Mapping[Pass, Composed]
    find: Mapping[tuple[Scope, Pass], Composed]
    update: Mapping[tuple[Scope, Pass], Composed]
    update_alone: Mapping[Scope, Composed]
    verify: Composed
    verify_piece: Composed
    sample_before: Composed
    sample_after: Composed
    indexed_before: Composed | None = None
    indexed_after: Composed | None = None
    row_key: Composed
    row_lock: Composed
    find_rejected: Composed
    still_matching: Composed
    row_values: Composed | None = None
    mapped: FunctionValues | None = None
    find_inputs: Mapping[Scope, Composed]
    read_inputs: Composed | None = None
    unforeseen: Statements | None = None

    @property
    def counts_unconverged(self) -> bool:
        """Whether the proof can find the rows that no further UPDATE would fix."""
        return self.foreseen or self.once

    @property
    def no_values(self) -> dict[str, list[str]]:
        """The parameters of a row function's values for no row at all."""
        return {name: [] for name in ("tids", "xmins", *self.mapped.parameters)} if self.mapped else {}

    def named(self) -> Iterator[tuple[str, Composed]]:
        """Yield each statement with its name, for a person to read."""
        yield "profile", self.profile
        yield "row_sample", self.row_sample
        for which_pass, statement in self.count.items():
            yield f"count, {which_pass}", statement
        for (scope, which_pass), statement in self.find.items():
            yield f"find, {scope}, {which_pass}", statement
        for (scope, which_pass), statement in self.update.items():
            yield f"update, {scope}, {which_pass}", statement
        samples = ("sample_before", "sample_after", "row_key", "row_lock", "find_rejected", "still_matching")
        for scope, statement in self.update_alone.items():
            yield f"update alone, {scope}", statement
        for name in ("verify", "verify_piece", *samples):
            yield name, getattr(self, name)
        if self.indexed_before is not None and self.indexed_after is not None:
            yield "indexed_before", self.indexed_before
            yield "indexed_after", self.indexed_after
        if self.row_values is not None:
            yield "row_values", self.row_values
        for scope, statement in self.find_inputs.items():
            yield f"find_inputs, {scope}", statement
        if self.read_inputs is not None:
            yield "read_inputs", self.read_inputs


def compose(predicates: RowPredicates, *, stable: bool = True, mapped: FunctionValues | None = None) -> Statements:
    """Return the statements of a job on a table; `stable` is whether `set` gives the same when it is asked again."""
    which = {
        Scope.STRIPE: _range_and_stripe(predicates),
        Scope.LAST_STRIPE: range_of(predicates.table),
        Scope.ADDRESSES: addresses_of(predicates),
    }
    passes = (Pass.FIRST, Pass.LATER)
    watched = predicates.table.before_update_triggers and predicates.table.columns_indexed and mapped is None
    return Statements(
        foreseen=predicates.foreseen,
        once=predicates.once,
        profile=compose_profile(predicates, stable=stable and mapped is None),
        row_sample=compose_row_sample(predicates),
        count={which_pass: _count(predicates, again=which_pass is Pass.LATER) for which_pass in passes},
        find={
            # One stripe is searched for a row that was refused, perhaps for what `set` makes of it: `set` is not asked.
            **{
                (Scope.STRIPE, which_pass): _find(predicates, which[Scope.STRIPE], again=False) for which_pass in passes
            },
            **{
                (Scope.LAST_STRIPE, which_pass): _find(
                    predicates, which[Scope.LAST_STRIPE], again=which_pass is Pass.LATER
                )
                for which_pass in passes
            },
        },
        update={
            (scope, which_pass): compose_update(predicates, which[scope], mapped, again=which_pass is Pass.LATER)
            for which_pass in passes
            for scope in Scope
        },
        update_alone={scope: compose_update_alone(predicates, which[scope], mapped) for scope in Scope},
        verify=compose_proof(predicates),
        verify_piece=compose_proof(predicates, piece=True),
        sample_before=compose_sample_before(predicates),
        sample_after=compose_sample_after(predicates, mapped),
        indexed_before=compose_indexed_before(predicates) if watched else None,
        indexed_after=compose_indexed_after(predicates) if watched else None,
        row_key=compose_key(predicates),
        row_lock=compose_row_lock(predicates),
        find_rejected=compose_find_rejected(predicates),
        still_matching=compose_still_matching(predicates),
        row_values=compose_values(predicates) if stable and mapped is None else None,
        mapped=mapped,
        find_inputs={
            scope: mapped.versions(predicates.table, SQL("{} AND {}").format(which[scope], predicates.matching()))
            for scope in (Scope.STRIPE, Scope.LAST_STRIPE)
        }
        if mapped
        else {},
        read_inputs=mapped.rows(predicates.table) if mapped else None,
    )


def vacuum_of(table: Table, version: int) -> Composed:
    """Return the VACUUM of the table for a server of this version; it is sent without parameters."""
    options = ["VERBOSE", "SKIP_LOCKED", "INDEX_CLEANUP on", "TRUNCATE off", "PARALLEL 0"]
    options += ["SKIP_DATABASE_STATS"] if version >= SKIP_DATABASE_STATS_FROM else []
    target = Identifier(table.name.schema, table.name.name)
    return SQL("VACUUM ({}) {}").format(SQL(", ").join(map(SQL, options)), target)


def lock_of(table: TableName) -> Composed:
    """Return the LOCK of the table whose leaf a batch is about to update, on the way from above as DDL takes it.

    The UPDATE of a partition locks what is above it by itself, but behind the partition, for its constraint
    (generate_partition_qual in partcache.c): a deadlock with whoever changes the table as a whole.
    """
    return SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(Identifier(table.schema, table.name))


def _range_and_stripe(predicates: RowPredicates) -> Composed:
    stripe = SQL(
        "({mask} OPERATOR(pg_catalog.>>) ({residue})) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1"
    ).format(mask=cast_of("mask", "int8"), residue=residue_of(predicates.table))
    return SQL("{} AND {}").format(range_of(predicates.table), stripe)


def _count(predicates: RowPredicates, *, again: bool) -> Composed:
    return SQL(
        "SELECT pg_catalog.width_bucket({row}.ctid, {bounds}) OPERATOR(pg_catalog.-) 1 AS slice,\n"
        "({stripes})[1 OPERATOR(pg_catalog.+) ({residue})] AS stripe, pg_catalog.count(*) AS rows\n"
        "FROM {target}\nWHERE {range} AND {found}\nGROUP BY 1, 2"
    ).format(
        row=row_of(predicates.table),
        bounds=cast_of("bounds", "tid[]"),
        stripes=cast_of("stripes", "int2[]"),
        residue=residue_of(predicates.table),
        target=target_of(predicates.table),
        range=range_of(predicates.table),
        found=predicates.found(again=again),
    )


def _find(predicates: RowPredicates, which: Composed, *, again: bool) -> Composed:
    # Sorted, as an index on the condition may be what the planner takes; one more than are kept shows that there are.
    return SQL(
        "SELECT {row}.ctid::pg_catalog.text\nFROM {target}\nWHERE {which} AND {found}\n"
        "ORDER BY {row}.ctid\nLIMIT {rows}"
    ).format(
        row=row_of(predicates.table),
        target=target_of(predicates.table),
        which=which,
        found=predicates.found(again=again),
        rows=Literal(TIDS_MAX + 1),
    )
