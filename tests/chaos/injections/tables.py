"""A table that others rewrite, empty, replace and move while a worker is at it."""

from __future__ import annotations

from psycopg.sql import SQL, Literal

from tests.chaos.breakpoints import last_leaf, update
from tests.chaos.catalogue import Shape
from tests.chaos.tables import PARTITIONS
from tests.chaos.trial import Injection, Trial


def _vacuum_full(trial: Trial) -> None:
    trial.busy()
    trial.query(trial.table.sql("vacuum full {t}"))


def _cluster(trial: Trial) -> None:
    """CLUSTER, of a partition where there are some: of the head only 15 and later know it."""
    trial.busy()
    parted = trial.plan.shape is Shape.PARTITIONED
    table = trial.table.leaf(trial.chance.randrange(PARTITIONS)) if parted else trial.table.sql("{t}")
    [(index,)] = trial.query(
        SQL("select indexrelid::regclass::text from pg_index where indrelid = {}::regclass limit 1").format(
            Literal(table.as_string())
        )
    )
    trial.query(SQL("cluster {} using {}").format(table, SQL(index.rpartition(".")[2])))


def _truncate(trial: Trial) -> None:
    """Emptied and filled again, in one transaction."""
    trial.busy()
    trial.transact(trial.table.sql("truncate {t}"), trial.table.fill(0, trial.table.id_end))
    trial.application.touched()


def _drop_create(trial: Trial) -> None:
    """Another table of the same name."""
    trial.busy()
    trial.transact(trial.table.sql("drop table {t}"), *trial.table.create())
    trial.application.touched()


def _add_column(trial: Trial) -> None:
    """A column, by a rewrite of the table or without one."""
    trial.busy()
    name = SQL(f"more_{trial.chance.randrange(10**9)}")
    default = SQL("uuid default gen_random_uuid()" if trial.chance.random() < 0.5 else "text not null default 'x'")
    trial.query(trial.table.sql("alter table {t} add column {name} {default}", name=name, default=default))


def _move_rows(trial: Trial) -> None:
    """All rows that are due move behind the end of the pass while its first batches run."""
    with update(trial) as (_, release):
        moved = "update {t} set note = repeat('z', 500) where ctid in (select ctid from {t} where {target} is null"
        moved += " for update skip locked)"
        trial.query(trial.table.sql(moved))
        release()


def _attach_detach(trial: Trial) -> None:
    """A partition comes with rows that are due, another one goes."""
    trial.busy()
    table, number = trial.table, PARTITIONS + trial.chance.randrange(10**6)
    low, high = table.leaf_range(number)
    gone = trial.chance.randrange(PARTITIONS)
    leaf = table.leaf(number)
    trial.transact(
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
    trial.application.touched()
    trial.busy()
    attached = "select true from pg_inherits where inhrelid = to_regclass({leaf})"
    if trial.query(SQL(attached).format(leaf=Literal(table.leaf(gone).as_string()))):
        trial.query(table.sql("alter table {t} detach partition {leaf}", leaf=table.leaf(gone)))


def _refill_leaf(trial: Trial) -> None:
    """A leaf that is done and proven is emptied and filled again while the last one is at work."""
    with last_leaf(trial) as (_, release):
        done = trial.chance.randrange(PARTITIONS - 1)
        low, high = trial.table.leaf_range(done)
        trial.transact(
            trial.table.sql("truncate {leaf}", leaf=trial.table.leaf(done)),
            trial.table.fill(low + low % 2, high),
        )
        release()


INJECTIONS: dict[str, Injection] = {
    "vacuum-full": _vacuum_full,
    "cluster": _cluster,
    "truncate": _truncate,
    "drop-create": _drop_create,
    "add-column": _add_column,
    "rows-moved": _move_rows,
    "attach-detach": _attach_detach,
    "leaf-refilled": _refill_leaf,
}
