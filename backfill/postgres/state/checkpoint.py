"""The checkpoint: claimed with a new epoch, moved compare-and-swap, never behind or ahead of the data.

A worker that lost its session may wake up later; its epoch is an old one then, so its batch changes nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from backfill.postgres.session.connection import Connection, dict_rows, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.checkpoint_columns import checkpoint_of, checkpoint_statement, values_of
from backfill.postgres.state.stored_values import UnreadableValue, reading, unreadable, value_of
from backfill.table.batch import Verification
from backfill.table.checkpoint import Checkpoint
from backfill.table.definition import Table, TableIdentity
from backfill.values.errors import Halted, Superseded, TableRewritten


@dataclass(frozen=True, slots=True)
class ClaimedLanes:
    """A checkpoint that is ours, and the physical table that its addresses belong to."""

    checkpoint: Checkpoint
    identity: TableIdentity


async def read_sequence(connection: Connection, job: str) -> int:
    """Return the number of the last batch of any leaf: those of a new one follow, so that the ring keeps the last."""
    with reading(job, "checkpoint"):
        async with dict_rows(connection) as cursor:
            await cursor.execute(statement("state/read_job_totals"), {"job": job})
            done = await cursor.fetchone()
    assert done is not None, "an aggregate has one row"
    return int(done["sequence"])


async def read_proofs(connection: Connection, job: str) -> dict[TableIdentity, Verification]:
    """Return how the leaves ended that are done, by the file that was read."""
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("state/read_proofs"), {"job": job})
        rows = await cursor.fetchall()
    with reading(job, "checkpoint"):
        return {
            TableIdentity(row["oid"], row["filenode"], row["system_identifier"]): value_of(
                Verification, row["proof"], "proof"
            )
            for row in rows
        }


async def save_proof(connection: Connection, job: str, leaf: str, epoch: int, proof: Verification) -> None:
    """Keep how a leaf ended; raises Superseded where another worker has claimed it."""
    values = {"job": job, "leaf": leaf, "epoch": epoch, "proof": Jsonb(asdict(proof))}
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("state/save_proof"), values)
        saved = cursor.rowcount
    if saved == 0:
        raise await find_edit(connection, job) or Superseded(
            f"job {job!r}: another worker has taken over the checkpoint"
        )


async def claim(connection: Connection, job: str, leaf: str) -> tuple[ClaimedLanes, ...]:
    """Take over the leaf's checkpoints with a new epoch, one for each lane; none where it has none yet."""
    with reading(job, "checkpoint"):
        async with dict_rows(connection) as cursor:
            await cursor.execute(checkpoint_statement("state/claim_checkpoints"), {"job": job, "leaf": leaf})
            rows = await cursor.fetchall()
        claimed = tuple(sorted(map(_claimed, rows), key=lambda lane: lane.checkpoint.lane))
        for lane in claimed:
            if not lane.checkpoint.countable:
                raise UnreadableValue(f"epoch, sequence or a count of {leaf} is negative or beyond what fits")
        return claimed


def _claimed(row: DictRow) -> ClaimedLanes:
    identity = TableIdentity(row["table_oid"], row["filenode"], row["system_identifier"])
    return ClaimedLanes(checkpoint_of(row), identity)


async def create(
    connection: Connection, job: str, table: Table, checkpoints: tuple[Checkpoint, ...]
) -> tuple[Checkpoint, ...]:
    """Write a leaf's first checkpoints, or those that start again on a table that is another one now; return them.

    Checkpoints of lanes beyond these go. Raises Superseded where another worker has claimed one of them.
    """
    # Not 1: --restart removes the rows that would show which epochs earlier workers had.
    epoch = max(checkpoint.epoch for checkpoint in checkpoints) or 1 + secrets.randbits(40)
    fresh = tuple(replace(checkpoint, epoch=epoch) for checkpoint in checkpoints)
    async with dict_rows(connection) as cursor:
        lanes = {"job": job, "leaf": fresh[0].leaf, "epoch": epoch, "lanes": len(fresh)}
        await cursor.execute(statement("state/delete_lanes"), lanes)
        await cursor.execute(statement("state/delete_rejected"), lanes)
        for checkpoint in fresh:
            values = values_of(checkpoint) | asdict(table.identity) | {"table_oid": table.identity.oid, "job": job}
            await cursor.execute(checkpoint_statement("state/create_checkpoint"), values)
            if cursor.rowcount != 1:
                raise Superseded(f"job {job!r}: another worker has taken over the checkpoint")
    return fresh


async def write(target: Connection | AsyncCursor[Any], values: dict[str, Any]) -> AsyncCursor[Any]:
    """Run the one statement that writes a checkpoint, compare and swap: its row is missing if it was not ours to move.

    A batch runs it in its own transaction, behind the UPDATE (`postgres/work/batch_transaction`).
    """
    return await target.execute(checkpoint_statement("state/save_checkpoint"), values)


async def move(connection: Connection, job: str, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
    """Move checkpoints of a leaf where no batch does it; raises Superseded or Rewritten when one would not move."""
    places: list[Checkpoint] = []
    try:
        async with dict_rows(connection) as cursor:
            for checkpoint in checkpoints:
                await write(cursor, values_of(checkpoint) | {"job": job, "wal_bytes": 0})
                places.append(moved(checkpoint, await cursor.fetchone()))
    except Fenced:
        raise await blame(connection, job, checkpoints[len(places)]) from None
    return tuple(places)


def moved(checkpoint: Checkpoint, row: DictRow | None) -> Checkpoint:
    """Return the place as it was saved; raises Fenced where it was not."""
    if row is None:
        raise Fenced
    return replace(checkpoint, sequence=checkpoint.sequence + 1, wal_bytes=row["wal_bytes"])


class Fenced(Exception):
    """Leaves the transaction block, which rolls back: one of the checkpoints is not ours any more."""


async def blame(connection: Connection, job: str, checkpoint: Checkpoint) -> Halted | Superseded | TableRewritten:
    """Say why the checkpoint would not move: the job was deleted, another worker's fence, or another file."""
    with translated(connection):
        fence = {"job": job, "leaf": checkpoint.leaf, "lane": checkpoint.lane}
        cursor = await connection.execute(statement("state/read_epoch_and_sequence"), fence)
        row = await cursor.fetchone()
    if edit := await find_edit(connection, job):
        return edit
    if row is None or row != (checkpoint.epoch, checkpoint.sequence):
        return Superseded(f"job {job!r}: another worker has moved the checkpoint; our batch changed nothing")
    return TableRewritten(f"table '{checkpoint.leaf}' was rewritten; our batch changed nothing")


async def find_edit(connection: Connection, job: str) -> Halted | None:
    """Return the error of a job whose row somebody deleted or changed while it ran; None if it is as it was."""
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("state/read_job"), {"job": job})
        row = await cursor.fetchone()
    if row is None:
        return Halted(
            f"job {job!r} was deleted from backfill.job while it ran; what it had filled stays filled;"
            " run it again to start anew"
        )
    if not isinstance(row["spec"], dict) or not isinstance(row["spec"].get("table"), str):
        return unreadable(job, "job", "spec names no table")
    return None
