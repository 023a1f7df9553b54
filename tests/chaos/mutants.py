"""A worker with one protection switched off: the campaign has to notice, else it would not notice a mistake either.

`python -m tests.chaos.mutants NAME run job.yaml …` changes the installed package in this process alone, at its start,
and then is `backfill`. What is replaced is a text that has to be there exactly once, or a function by its name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from psycopg import AsyncConnection

from backfill.__main__ import main
from backfill.postgres.session import sql_files
from backfill.table import definition
from backfill.throttle.conditions import replication
from tests.chaos.oracle import Broken

FENCE = b" AND epoch = %(epoch)s AND sequence = %(sequence)s"
FILE = b" AND filenode = pg_relation_filenode(table_oid)"


@dataclass(frozen=True)
class Mutant:
    """A protection, how it is switched off, the fault that shows it, and what the judge then says."""

    name: str
    protection: str
    apply: Callable[[], None]
    fault: str
    broken: Broken


def without(statement: str, text: bytes) -> None:
    """Take a text out of a static statement, before anything has read it."""
    original = sql_files.statement

    def mutated(name: str) -> bytes:
        told = original(name)
        if name != statement:
            return told
        if told.count(text) != 1:
            raise SystemExit(f"{text!r} is not in {statement}.sql exactly once")
        return told.replace(text, b"")

    mutated(statement)
    sql_files.statement = mutated  # type: ignore[assignment]


def checkpoint_apart() -> None:
    """Write the checkpoint of a batch on another connection, which commits it at once."""
    execute, beside = AsyncConnection.execute, {}
    from backfill.postgres.state.checkpoint_columns import checkpoint_statement  # noqa: PLC0415 - as in `one_pass`

    checkpoint = checkpoint_statement("state/save_checkpoint")

    async def elsewhere(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        if query != checkpoint:
            return await execute(self, query, params, **options)
        if self not in beside:
            dsn = f"{self.info.dsn} password={self.info.password}" if self.info.password else self.info.dsn
            beside[self] = await AsyncConnection.connect(
                dsn, autocommit=True, application_name=f"backfill:beside:{os.getpid()}", row_factory=self.row_factory
            )
        return await execute(beside[self], query, params, **options)

    AsyncConnection.execute = elsewhere  # type: ignore[method-assign]


def no_fence() -> None:
    """Let a checkpoint move whoever has claimed it."""
    without("state/save_checkpoint", FENCE)


def one_pass() -> None:
    """Take every proof for one that found nothing left."""
    from backfill.postgres.work import verify  # noqa: PLC0415 - it takes `statement` by name as it loads

    read = verify.read_verification

    async def nothing_left(*arguments: Any, **named: Any) -> Any:
        return replace(await read(*arguments, **named), rows_left=0, rows_unconverged=0, samples=())

    verify.read_verification = nothing_left


def no_file() -> None:
    """Know a table by its oid alone, whatever file it has."""
    without("state/save_checkpoint", FILE)
    init = definition.TableIdentity.__init__

    def without_file(self: Any, oid: int, filenode: int, system_identifier: int) -> None:
        init(self, oid, 0, system_identifier)

    definition.TableIdentity.__init__ = without_file  # type: ignore[method-assign]


def missing_is_well() -> None:
    """Believe that a replica which is not in view is well, as a lag query does."""
    replication._out_of_view = lambda *_: iter(())


MUTANTS = (
    Mutant(
        "checkpoint-apart",
        "the checkpoint is in the batch's transaction",
        checkpoint_apart,
        "kill-commit",
        Broken.DISAGREE,
    ),
    Mutant("no-fence", "compare and swap on epoch and sequence", no_fence, "zombie", Broken.DISAGREE),
    Mutant("one-pass", "passes go on until a proof finds nothing", one_pass, "rows-moved", Broken.WRONG_ROW),
    Mutant("no-file", "row addresses and proofs belong to one file", no_file, "leaf-refilled", Broken.WRONG_ROW),
    Mutant("missing-is-well", "a replica out of view stops the work", missing_is_well, "standby-link-cut", Broken.AWAY),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


if __name__ == "__main__":
    BY_NAME[sys.argv.pop(1)].apply()
    main()
