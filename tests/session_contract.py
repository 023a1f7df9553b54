"""What every session keeps, the real ones and the fakes: the checks are the same, so that the fakes may be believed.

Each check gets `connect`, which opens job sessions on one fresh table of `ROWS` rows that are all to be filled, under a
job with `MAX_ROWS` and several stripes. Every public method of the protocols is called by one of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import anyio
import pytest

from backfill.engine.ports import JobSession, LaneSession, LeafSession
from backfill.events.event import Event
from backfill.events.history.span import HistorySpan
from backfill.events.job import Finished
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.table.batch import Committed, TooManyRows
from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance, lay_out
from backfill.table.row_counts import BatchRange, batch_range
from backfill.table.sparse_rows import next_batch
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import NeverStarted, StatementRefused, Superseded
from tests.factories import admission, job, run_order

ROWS = 60
MAX_ROWS = 20
USERS = "public.users"

Connect = Callable[[], AbstractAsyncContextManager[JobSession]]


@dataclass
class Opened:
    """A job session, the leaf that is open on it, its lane, and the lane's checkpoint: in four stripes if untouched."""

    job: JobSession
    leaf: LeafSession
    lane: LaneSession
    checkpoint: Checkpoint

    async def rows_left(self) -> int:
        return (await self.leaf.verify(1, stay)).rows_left


@asynccontextmanager
async def opened(connect: Connect) -> AsyncGenerator[Opened, None]:
    async with connect() as session:
        await session.begin()
        async with session.open_leaf(USERS) as leaf:
            [lane] = await leaf.lanes(1)
            [checkpoint] = leaf.opened.checkpoints
            if checkpoint.window_untouched:
                checkpoint = lay_out(checkpoint, Layout((4, 3, 2, 1)))
            yield Opened(session, leaf, lane, checkpoint)


SEEN = (SeenReplica(name="replica-a"), SeenReplica(name="replica-b", address="10.0.0.5", since="2026-11-29 10:02 UTC"))


async def stay(reason: WaitReason | None) -> None:
    """Nobody needs the lock of the final read."""
    assert reason is None


async def fill(lane: LaneSession, checkpoint: Checkpoint, rows: int) -> tuple[Checkpoint, list[int]]:
    """Run one pass in batches of at most `rows`; return the checkpoint after it, and the rows of each batch."""
    taken: list[int] = []
    while not checkpoint.pass_done:
        assert len(taken) < 100 * ROWS, "a pass that does not end"
        batch = await next_counted(lane, checkpoint, rows)
        done = await run(lane, checkpoint, batch)
        assert isinstance(done, Committed)
        assert done.rows == batch.rows <= rows
        assert done.checkpoint.sequence == checkpoint.sequence + 1
        checkpoint, taken = done.checkpoint, [*taken, done.rows]
    return checkpoint, taken


async def next_counted(lane: LaneSession, checkpoint: Checkpoint, rows: int) -> BatchRange:
    batch = batch_range(await lane.count_rows(checkpoint, rows, 1000), checkpoint, rows)
    assert batch is not None
    return batch


async def run(lane: LaneSession, checkpoint: Checkpoint, batch: BatchRange) -> Committed | TooManyRows:
    return await run_order(lane, checkpoint, batch, admission(MAX_ROWS))


async def next_pass(leaf: LeafSession, checkpoint: Checkpoint) -> Checkpoint:
    [begun] = await leaf.new_pass((checkpoint,))
    return begun


async def a_pass_fills_every_row_once_and_the_next_one_finds_none(connect: Connect) -> None:
    async with opened(connect) as at:
        checkpoint, taken = await fill(at.lane, at.checkpoint, MAX_ROWS)
        assert sum(taken) == checkpoint.rows_total == checkpoint.rows_pass == checkpoint.rows_converged_pass == ROWS
        assert checkpoint.rows_unconverged == 0
        checkpoint, taken = await fill(at.lane, await next_pass(at.leaf, checkpoint), MAX_ROWS)
        assert (checkpoint.pass_number, sum(taken), checkpoint.rows_total) == (2, 0, ROWS)
        found = await at.leaf.verify(1, stay)
        assert (found.rows_left, found.rows_unconverged, found.samples) == (0, 0, ())


async def a_cap_of_one_row_is_kept(connect: Connect) -> None:
    async with opened(connect) as at:
        _, taken = await fill(at.lane, at.checkpoint, 1)
        assert max(taken) == 1
        assert sum(taken) == ROWS


async def the_first_to_open_begins_and_the_next_continues(connect: Connect) -> None:
    async with opened(connect) as first:
        assert (first.leaf.opened.resumed, first.leaf.opened.rewritten, first.checkpoint.rows_total) == (False, None, 0)
        done = await run(first.lane, first.checkpoint, await next_counted(first.lane, first.checkpoint, 5))
        assert isinstance(done, Committed)
    async with opened(connect) as second:
        after = second.checkpoint
        assert second.leaf.opened.resumed
        assert after.epoch > first.checkpoint.epoch
        assert (after.next, after.stripe, after.layout) == (
            done.checkpoint.next,
            done.checkpoint.stripe,
            done.checkpoint.layout,
        )
        assert after.rows_total == done.rows


async def a_zombies_batch_changes_nothing(connect: Connect) -> None:
    async with opened(connect) as zombie, opened(connect) as heir:
        before = zombie.checkpoint
        batch = await next_counted(zombie.lane, before, MAX_ROWS)
        for act in (
            lambda: run(zombie.lane, before, batch),
            lambda: zombie.lane.save_checkpoint(before),
            lambda: next_pass(zombie.leaf, before),
        ):
            with pytest.raises(Superseded):
                await act()
        assert await heir.rows_left() == ROWS
        _, taken = await fill(heir.lane, heir.checkpoint, MAX_ROWS)
        assert sum(taken) == ROWS


async def a_batch_that_meets_too_many_rows_changes_nothing(connect: Connect) -> None:
    async with opened(connect) as at:
        checkpoint = await _last_stripe(at)
        left = await at.rows_left()
        assert left > MAX_ROWS
        assert await run(at.lane, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1)) == TooManyRows(left)
        assert await at.rows_left() == left
        await fill(at.lane, checkpoint, MAX_ROWS)
        assert await at.rows_left() == 0


async def _last_stripe(at: Opened) -> Checkpoint:
    """Walk past the other stripes without filling them: the last one takes all that is left."""
    checkpoint = at.checkpoint
    for stripe in range(checkpoint.stripes - 1):
        assert checkpoint.stripe == stripe
        checkpoint = await at.lane.save_checkpoint(advance(checkpoint, checkpoint.window_limit))
    return checkpoint


async def rows_that_are_few_are_found_and_updated_by_address_and_no_others(connect: Connect) -> None:
    async with opened(connect) as at:
        [checkpoint] = at.leaf.opened.checkpoints
        found = await at.lane.find_rows(checkpoint, 4096)
        assert (found.start, found.end, len(found.tids)) == (Tid(0), Tid(checkpoint.end_page), ROWS)
        assert list(found.tids) == sorted(found.tids)
        batch = next_batch(found, checkpoint, 7)
        done = await run(at.lane, checkpoint, batch)
        assert isinstance(done, Committed)
        assert (done.rows, done.checkpoint.next) == (7, batch.end)
        left = await at.lane.find_rows(done.checkpoint, 4096)
        assert left.tids == found.tids[7:]
        again = next_batch(found, done.checkpoint, 5)  # of what was read before: nobody has moved these rows
        assert (await run(at.lane, done.checkpoint, again)).rows == 5
        assert await at.rows_left() == ROWS - 12


async def a_rejected_row_is_left_behind_and_counted_until_a_pass_does_not_meet_it(connect: Connect) -> None:
    async with opened(connect) as zombie, opened(connect) as at:
        found = await at.lane.read_rows(at.checkpoint, BatchRange(end=Tid(1), rows=1))
        batch = BatchRange(end=Tid(0, 8), rows=1, tids=found.tids[:1])
        error = StatementRefused("no: a row\nDETAIL:  this one", "23514")
        moved = await at.lane.reject_row(at.checkpoint, batch, error)
        sequence = at.checkpoint.sequence + 1
        assert (moved.checkpoint.next, moved.checkpoint.sequence, moved.rows_rejected) == (batch.end, sequence, 1)
        [row] = await at.leaf.read_rejected()
        assert (row.key, row.tid, row.pass_number, row.message) == (moved.key, found.tids[0], 1, str(error))
        with pytest.raises(Superseded):
            await zombie.lane.reject_row(zombie.checkpoint, batch, error)
        proof = await at.leaf.verify(1, stay)
        assert (proof.rows_left, proof.rows_rejected, proof.rows_unconverged) == (ROWS, 1, 0)
        assert proof.rejected == (f"{moved.key}: no: a row",)
        described = await at.lane.describe(row.tid, values=True)
        assert described is not None
        assert described.key == row.key
        assert described.values is not None
        proof = await at.leaf.verify(2, stay)
        assert (proof.rows_left, proof.rows_rejected, await at.leaf.read_rejected()) == (ROWS, 0, ())


async def a_rejected_row_is_found_again_kept_with_a_new_message_and_forgotten(connect: Connect) -> None:
    async with opened(connect) as at:
        found = await at.lane.read_rows(at.checkpoint, BatchRange(end=Tid(1), rows=1))
        batch = BatchRange(end=Tid(0, 8), rows=1, tids=found.tids[:1])
        moved = await at.lane.reject_row(at.checkpoint, batch, StatementRefused("no", "23514"))
        [row] = await at.leaf.read_rejected()
        assert await at.leaf.find_rejected(row) == row.tid
        again = replace(row, message="no, again")
        await at.leaf.keep_rejected(moved.checkpoint, again, StatementRefused("no, again", "23505"))
        assert await at.leaf.read_rejected() == (again,)
        await at.leaf.forget_rejected(moved.checkpoint, again)
        assert await at.leaf.read_rejected() == ()
        assert await at.rows_left() == ROWS


async def a_pass_that_starts_again_meets_the_rows_that_are_left(connect: Connect) -> None:
    async with opened(connect) as at:
        done = await run(at.lane, at.checkpoint, await next_counted(at.lane, at.checkpoint, 5))
        assert isinstance(done, Committed)
        [fresh], why = await at.leaf.reopen((done.checkpoint,))
        assert why
        assert (fresh.next, fresh.stripe, fresh.pass_number, fresh.rows_total) == (Tid(0), 0, 1, done.rows)
        checkpoint, taken = await fill(at.lane, fresh, MAX_ROWS)
        assert (sum(taken), checkpoint.rows_total) == (ROWS - done.rows, ROWS)


async def a_page_profile_is_of_rows_that_match(connect: Connect) -> None:
    async with opened(connect) as at:
        profile = await at.lane.read_page_profile(at.checkpoint)
        assert profile is not None
        assert 0 < profile.due <= profile.rows
        await fill(at.lane, at.checkpoint, MAX_ROWS)
        assert await at.lane.read_page_profile(at.checkpoint) is None


async def a_prediction_that_is_disabled_is_so_in_every_lane(connect: Connect) -> None:
    async with opened(connect) as at:
        lane, other = await at.leaf.lanes(2)
        assert (await at.leaf.verify(1, stay)).rows_unconverged == 0
        assert lane.disable_prediction()
        assert not other.disable_prediction()
        assert not at.leaf.disable_prediction()
        assert (await at.leaf.verify(1, stay)).rows_unconverged is None


async def other_limits_hold_in_every_lane_from_its_next_reading_on(connect: Connect) -> None:
    async with opened(connect) as at:
        lane, other = await at.leaf.lanes(2)
        assert lane.rows_at_once == MAX_ROWS
        await lane.apply_limits(job(batch={"rows": 3, "min_rows": 1, "max_rows": 3}))
        assert lane.rows_at_once == other.rows_at_once == 3
        batch = await next_counted(other, at.checkpoint, 5)
        assert await other.map_rows(at.checkpoint, batch) == batch
        assert await run(other, at.checkpoint, batch) == TooManyRows(batch.rows)
        _, taken = await fill(other, at.checkpoint, 3)
        assert sum(taken) == ROWS


async def signals_are_seen_by_a_role_that_may(connect: Connect) -> None:
    async with opened(connect) as at:
        before = await at.lane.read_signals()
        await fill(at.lane, at.checkpoint, MAX_ROWS)
        after = await at.lane.read_signals()
        assert before.visible
        assert after.at_s > before.at_s
        assert after.insert_lsn > before.insert_lsn


async def replicas_that_were_seen_are_known_to_the_next_session(connect: Connect) -> None:
    async with opened(connect) as at:
        await at.lane.save_wait(WaitReason(WaitKind.LAG, "replica-a lag 12s > 9s"), SEEN[:1])
        await at.job.save_wait(None, SEEN)
        await at.lane.save_history(HistorySpan(batches=1, rows=10, waits={"lag": 1.5}))
    async with connect() as session:
        assert (await session.begin()).replicas_seen == SEEN


async def a_vacuum_that_is_stopped_says_why_unless_it_was_done(connect: Connect) -> None:
    async with opened(connect) as at:
        assert await at.lane.read_request() is None
        assert (await at.lane.read_time()).utcoffset() == timedelta(0)
        assert await at.job.stop_vacuum("there is none") is None
        await at.lane.start_vacuum(VacuumCost(200, 2.0))
        ended = await at.job.stop_vacuum("the run ends")
        assert ended is not None
        assert ended.stopped in (None, "the run ends")
        await at.lane.save_vacuum("vacuum stopped")


async def a_job_that_is_withdrawn_has_left_nothing(connect: Connect) -> None:
    async with connect() as session:
        start = await session.begin()
        async with session.open_leaf(USERS):
            await session.withdraw(start)
    async with opened(connect) as at:
        assert not at.leaf.opened.resumed
        assert at.checkpoint.rows_total == 0


async def only_a_job_that_has_begun_is_begun_again(connect: Connect) -> None:
    async with connect() as session:
        assert await session.try_lock() is None
        with pytest.raises(NeverStarted):
            await session.begin(again=True)
        assert (await session.begin()).is_new
    async with connect() as session:
        assert not (await session.begin(again=True)).is_new


async def a_trigger_is_made_once_and_removed_once(connect: Connect) -> None:
    async with connect() as session:
        events: list[Event] = []
        await session.begin()
        await session.install_sync_trigger(events.append, anyio.sleep)
        await session.install_sync_trigger(events.append, anyio.sleep)
        assert len([event for event in events if isinstance(event, SyncTriggerMade)]) == 1
        await session.remove_sync_trigger(events.append, anyio.sleep)
        await session.remove_sync_trigger(events.append, anyio.sleep)
        assert len([event for event in events if isinstance(event, SyncTriggerRemoved)]) == 1


async def locks_are_had_by_one_session(connect: Connect) -> None:
    async with connect() as first, connect() as second:
        assert await first.try_lock() is None
        assert await second.try_lock() is not None
        assert await first.try_leaf("public.users_1") is None
        assert await second.try_leaf("public.users_1") is not None
        await first.release_leaf("public.users_1")
        assert await second.try_leaf("public.users_1") is None


async def a_leaf_that_is_done_is_listed_so_until_it_is_opened_or_its_job_has_ended(connect: Connect) -> None:
    async with opened(connect) as at:
        await fill(at.lane, at.checkpoint, MAX_ROWS)
        [leaf] = await at.job.leaves()
        assert (leaf.name, leaf.proof) == (USERS, None)
        assert leaf.pages > 0
        proof = await at.leaf.verify(1, stay)
        await at.leaf.save_proof(proof)
        assert [one.proof for one in await at.job.leaves()] == [proof]
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


CONTRACT = [
    a_pass_fills_every_row_once_and_the_next_one_finds_none,
    a_cap_of_one_row_is_kept,
    the_first_to_open_begins_and_the_next_continues,
    a_zombies_batch_changes_nothing,
    a_batch_that_meets_too_many_rows_changes_nothing,
    rows_that_are_few_are_found_and_updated_by_address_and_no_others,
    a_rejected_row_is_left_behind_and_counted_until_a_pass_does_not_meet_it,
    a_rejected_row_is_found_again_kept_with_a_new_message_and_forgotten,
    a_pass_that_starts_again_meets_the_rows_that_are_left,
    a_page_profile_is_of_rows_that_match,
    a_prediction_that_is_disabled_is_so_in_every_lane,
    other_limits_hold_in_every_lane_from_its_next_reading_on,
    signals_are_seen_by_a_role_that_may,
    replicas_that_were_seen_are_known_to_the_next_session,
    a_vacuum_that_is_stopped_says_why_unless_it_was_done,
    a_job_that_is_withdrawn_has_left_nothing,
    only_a_job_that_has_begun_is_begun_again,
    a_trigger_is_made_once_and_removed_once,
    locks_are_had_by_one_session,
    a_leaf_that_is_done_is_listed_so_until_it_is_opened_or_its_job_has_ended,
]
