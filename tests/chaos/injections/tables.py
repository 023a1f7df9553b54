"""A table that others rewrite, empty, replace and move while a worker is at it."""

from __future__ import annotations

from psycopg.sql import SQL, Literal

from tests.chaos.breakpoints import last_leaf, update
from tests.chaos.catalogue import Shape
from tests.chaos.tables import PARTITIONS
from tests.chaos.trial import Injection, Trial


def _vacuum_full(stage: Trial) -> None:
    stage.busy()
    stage.query(stage.table.sql("vacuum full {t}"))


def _cluster(stage: Trial) -> None:
    """CLUSTER, of a partition where there are some: of the head only 15 and later know it."""
    stage.busy()
    parted = stage.plan.shape is Shape.PARTITIONED
    table = stage.table.leaf(stage.chance.randrange(PARTITIONS)) if parted else stage.table.sql("{t}")
    [(index,)] = stage.query(
        SQL("select indexrelid::regclass::text from pg_index where indrelid = {}::regclass limit 1").format(
            Literal(table.as_string())
        )
    )
    stage.query(SQL("cluster {} using {}").format(table, SQL(index.rpartition(".")[2])))


def _truncate(stage: Trial) -> None:
    """Emptied and filled again, in one transaction."""
    stage.busy()
    stage.transact(stage.table.sql("truncate {t}"), stage.table.fill(0, stage.table.id_end))
    stage.application.touched()


def _drop_create(stage: Trial) -> None:
    """Another table of the same name."""
    stage.busy()
    stage.transact(stage.table.sql("drop table {t}"), *stage.table.create())
    stage.application.touched()


def _add_column(stage: Trial) -> None:
    """A column, by a rewrite of the table or without one."""
    stage.busy()
    name = SQL(f"more_{stage.chance.randrange(10**9)}")
    default = SQL("uuid default gen_random_uuid()" if stage.chance.random() < 0.5 else "text not null default 'x'")
    stage.query(stage.table.sql("alter table {t} add column {name} {default}", name=name, default=default))


def _move_rows(stage: Trial) -> None:
    """All rows that are due move behind the end of the pass while its first batches run."""
    with update(stage) as (_, release):
        moved = "update {t} set note = repeat('z', 500) where ctid in (select ctid from {t} where {target} is null"
        moved += " for update skip locked)"
        stage.query(stage.table.sql(moved))
        release()


def _attach_detach(stage: Trial) -> None:
    """A partition comes with rows that are due, another one goes."""
    stage.busy()
    table, number = stage.table, PARTITIONS + stage.chance.randrange(10**6)
    low, high = table.leaf_range(number)
    gone = stage.chance.randrange(PARTITIONS)
    leaf = table.leaf(number)
    stage.transact(
        table.sql("create table {leaf} (like {t} including all)", leaf=leaf),
        table.sql(
            "insert into {leaf} (id, {source}, {target}, mail, note)"
            " select i, 'late' || i, null, '', '' from generate_series({low}::bigint, {low} + 999) i",
            leaf=leaf,
            low=Literal(low),
        ),
        table.own(number),
        table.sql(
            "alter table {t} attach partition {leaf} for values from ({low}) to ({high})",
            leaf=leaf,
            low=Literal(low),
            high=Literal(high),
        ),
    )
    stage.application.touched()
    stage.busy()
    attached = "select true from pg_inherits where inhrelid = to_regclass({leaf})"
    if stage.query(SQL(attached).format(leaf=Literal(table.leaf(gone).as_string()))):
        stage.query(table.sql("alter table {t} detach partition {leaf}", leaf=table.leaf(gone)))


def _refill_leaf(stage: Trial) -> None:
    """A leaf that is done and proven is emptied and filled again while the last one is at work."""
    with last_leaf(stage) as (_, release):
        done = stage.chance.randrange(PARTITIONS - 1)
        low, high = stage.table.leaf_range(done)
        stage.transact(
            stage.table.sql("truncate {leaf}", leaf=stage.table.leaf(done)),
            stage.table.fill(low + low % 2, high),
        )
        release()


DEEDS: dict[str, Injection] = {
    "vacuum-full": _vacuum_full,
    "cluster": _cluster,
    "truncate": _truncate,
    "drop-create": _drop_create,
    "add-column": _add_column,
    "rows-moved": _move_rows,
    "attach-detach": _attach_detach,
    "leaf-refilled": _refill_leaf,
}
