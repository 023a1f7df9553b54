"""What every session keeps, the real one and the fake: the checks are the same, so that the fake may be believed.

Each check gets `connect`, which opens sessions on one fresh table of `ROWS` rows that are all to be filled, under a
job with `MAX_ROWS` and several stripes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from backfill.engine.ports import RunSession
from backfill.events.job import Finished
from backfill.table.batch import BatchResult, TooManyRows
from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance, lay_out
from backfill.table.row_counts import BatchRange, batch_range
from backfill.table.sparse_rows import next_batch
from backfill.throttle.wait_reason import WaitReason
from backfill.values.errors import StatementRefused, Superseded
from tests.factories import admission, run_order

ROWS = 60
MAX_ROWS = 20

Connect = Callable[[], AbstractAsyncContextManager[RunSession]]


async def stay(reason: WaitReason | None) -> None:
    """Nobody needs the lock of the final read."""
    assert reason is None


async def fill(session: RunSession, checkpoint: Checkpoint, rows: int) -> tuple[Checkpoint, list[int]]:
    """Take one pass in batches of at most `rows`; return the place after it, and the rows of each batch."""
    taken: list[int] = []
    while not checkpoint.pass_done:
        assert len(taken) < 100 * ROWS, "a pass that does not end"
        batch = batch_range(await session.count_rows(checkpoint, rows, 1000), checkpoint, rows)
        assert batch is not None
        done = await run(session, checkpoint, batch)
        assert isinstance(done, BatchResult)
        assert done.rows == batch.rows <= rows
        assert done.checkpoint.sequence == checkpoint.sequence + 1
        checkpoint, taken = done.checkpoint, [*taken, done.rows]
    return checkpoint, taken


async def run(session: RunSession, checkpoint: Checkpoint, batch: BatchRange) -> BatchResult | TooManyRows:
    return await run_order(session, checkpoint, batch, admission(MAX_ROWS))


async def opened_scan(session: RunSession) -> Checkpoint:
    """Open the table; return its place, with its window in four stripes where nothing of it is done."""
    await session.begin()
    opened = await session.open("public.users")
    [checkpoint] = opened.checkpoints
    return lay_out(checkpoint, Layout((4, 3, 2, 1))) if checkpoint.window_untouched else checkpoint


async def next_pass(session: RunSession, checkpoint: Checkpoint) -> Checkpoint:
    [begun] = await session.new_pass((checkpoint,))
    return begun


async def a_pass_fills_every_row_once_and_the_next_one_finds_none(connect: Connect) -> None:
    async with connect() as session:
        checkpoint, taken = await fill(session, await opened_scan(session), MAX_ROWS)
        assert sum(taken) == checkpoint.rows_total == checkpoint.rows_pass == checkpoint.rows_converged_pass == ROWS
        assert checkpoint.rows_unconverged == 0
        checkpoint, taken = await fill(session, await next_pass(session, checkpoint), MAX_ROWS)
        assert (checkpoint.pass_number, sum(taken), checkpoint.rows_total) == (2, 0, ROWS)
        found = await session.verify(1, stay)
        assert (found.rows_left, found.rows_unconverged, found.samples) == (0, 0, ())


async def a_cap_of_one_row_is_kept(connect: Connect) -> None:
    async with connect() as session:
        _, taken = await fill(session, await opened_scan(session), 1)
        assert max(taken) == 1
        assert sum(taken) == ROWS


async def the_first_to_open_begins_and_the_next_goes_on(connect: Connect) -> None:
    async with connect() as session:
        await session.begin()
        first = await session.open("public.users")
        [checkpoint] = first.checkpoints
        assert (first.resumed, first.rewritten, checkpoint.rows_total) == (False, None, 0)
        checkpoint = lay_out(checkpoint, Layout((4, 3, 2, 1)))
        batch = batch_range(await session.count_rows(checkpoint, 5, 1000), checkpoint, 5)
        assert batch is not None
        done = await run(session, checkpoint, batch)
        assert isinstance(done, BatchResult)
    async with connect() as session:
        await session.begin()
        second = await session.open("public.users")
        [after] = second.checkpoints
        assert second.resumed
        assert after.epoch > checkpoint.epoch
        assert (after.next, after.stripe, after.layout) == (
            done.checkpoint.next,
            done.checkpoint.stripe,
            done.checkpoint.layout,
        )
        assert after.rows_total == done.rows


async def a_zombies_batch_changes_nothing(connect: Connect) -> None:
    async with connect() as zombie, connect() as heir:
        before = await opened_scan(zombie)
        after = await opened_scan(heir)
        batch = batch_range(await zombie.count_rows(before, MAX_ROWS, 1000), before, MAX_ROWS)
        assert batch is not None
        for act in (
            lambda: run(zombie, before, batch),
            lambda: zombie.save_checkpoint(before),
            lambda: next_pass(zombie, before),
        ):
            with pytest.raises(Superseded):
                await act()
        assert (await heir.verify(1, stay)).rows_left == ROWS
        _, taken = await fill(heir, after, MAX_ROWS)
        assert sum(taken) == ROWS


async def a_batch_that_meets_too_many_rows_changes_nothing(connect: Connect) -> None:
    async with connect() as session:
        checkpoint = await _last_stripe(session)
        left = (await session.verify(1, stay)).rows_left
        assert left > MAX_ROWS
        assert await run(session, checkpoint, BatchRange(checkpoint.window_limit, 1)) == TooManyRows(left)
        assert (await session.verify(1, stay)).rows_left == left
        await fill(session, checkpoint, MAX_ROWS)
        assert (await session.verify(1, stay)).rows_left == 0


async def _last_stripe(session: RunSession) -> Checkpoint:
    """Walk past the other stripes without filling them: the last one takes all that is left."""
    checkpoint = await opened_scan(session)
    for stripe in range(checkpoint.stripes - 1):
        assert checkpoint.stripe == stripe
        checkpoint = await session.save_checkpoint(advance(checkpoint, checkpoint.window_limit))
    return checkpoint


async def rows_that_are_few_are_found_and_updated_by_address_and_no_others(connect: Connect) -> None:
    async with connect() as session:
        await session.begin()
        [checkpoint] = (await session.open("public.users")).checkpoints
        found = await session.find_rows(checkpoint, 4096)
        assert (found.start, found.end, len(found.tids)) == (Tid(0), Tid(checkpoint.end_page), ROWS)
        assert list(found.tids) == sorted(found.tids)
        batch = next_batch(found, checkpoint, 7)
        done = await run(session, checkpoint, batch)
        assert isinstance(done, BatchResult)
        assert (done.rows, done.checkpoint.next) == (7, batch.end)
        left = await session.find_rows(done.checkpoint, 4096)
        assert left.tids == found.tids[7:]
        again = next_batch(found, done.checkpoint, 5)  # of what was read before: nobody has moved these rows
        assert (await run(session, done.checkpoint, again)).rows == 5
        assert (await session.verify(1, stay)).rows_left == ROWS - 12


async def a_row_that_is_set_aside_is_left_behind_and_counted_until_a_pass_does_not_meet_it(connect: Connect) -> None:
    async with connect() as session, connect() as zombie:
        before = await opened_scan(zombie)
        checkpoint = await opened_scan(session)
        found = await session.read_rows(checkpoint, BatchRange(Tid(1), 1))
        batch = BatchRange(Tid(0, 8), 1, tids=found.tids[:1])
        words = StatementRefused("no: a row\nDETAIL:  this one", "23514")
        moved = await session.reject_row(checkpoint, batch, words)
        assert (moved.checkpoint.next, moved.checkpoint.sequence, moved.rows_rejected) == (
            batch.end,
            checkpoint.sequence + 1,
            1,
        )
        [row] = await session.read_rejected()
        assert (row.key, row.tid, row.pass_number, row.message) == (moved.key, found.tids[0], 1, str(words))
        with pytest.raises(Superseded):
            await zombie.reject_row(before, batch, words)
        proof = await session.verify(1, stay)
        assert (proof.rows_left, proof.rows_rejected, proof.rows_unconverged) == (ROWS, 1, 0)
        assert proof.rejected == (f"{moved.key}: no: a row",)
        described = await session.describe(row.tid, values=True)
        assert described is not None
        assert described.key == row.key
        assert described.values is not None
        proof = await session.verify(2, stay)
        assert (proof.rows_left, proof.rows_rejected, await session.read_rejected()) == (ROWS, 0, ())


async def signals_are_seen_by_a_role_that_may(connect: Connect) -> None:
    async with connect() as session:
        before = await session.read_signals()
        checkpoint = await opened_scan(session)
        await fill(session, checkpoint, MAX_ROWS)
        after = await session.read_signals()
        assert before.visible
        assert after.at_s > before.at_s
        assert after.insert_lsn > before.insert_lsn


async def a_leaf_that_is_done_is_listed_so_until_it_is_opened_or_its_job_has_ended(connect: Connect) -> None:
    async with connect() as session:
        await fill(session, await opened_scan(session), MAX_ROWS)
        [leaf] = await session.leaves()
        assert (leaf.name, leaf.proof) == ("public.users", None)
        assert leaf.pages > 0
        proof = await session.verify(1, stay)
        await session.close_leaf(leaf.name, proof)
        assert [one.proof for one in await session.leaves()] == [proof]
    async with connect() as session:
        begun = await session.begin()
        assert begun.done.rows_total == ROWS
        assert [one.proof for one in await session.leaves()] == [proof], "killed before its end was written"
        await session.save_end(
            Finished(
                job="users-handle",
                state="done",
                why="",
                rows_total=ROWS,
                rows_unconverged=0,
                passes=1,
                wal_bytes=0,
                worst_lag_s=0.0,
                elapsed_s=0.0,
            )
        )
    async with connect() as session:
        await session.begin()
        assert [one.proof for one in await session.leaves()] == [None]
        await session.close_leaf("public.users", None)


CONTRACT = [
    a_pass_fills_every_row_once_and_the_next_one_finds_none,
    a_cap_of_one_row_is_kept,
    the_first_to_open_begins_and_the_next_goes_on,
    a_zombies_batch_changes_nothing,
    a_batch_that_meets_too_many_rows_changes_nothing,
    rows_that_are_few_are_found_and_updated_by_address_and_no_others,
    a_row_that_is_set_aside_is_left_behind_and_counted_until_a_pass_does_not_meet_it,
    signals_are_seen_by_a_role_that_may,
    a_leaf_that_is_done_is_listed_so_until_it_is_opened_or_its_job_has_ended,
]
