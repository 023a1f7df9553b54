"""The loop on a database in memory, with a clock that only moves when it is spent.

Mutations tried by hand, and the test that catches each: the end page is read anew (`new_pass` and `begin` aside)
test_rows_that_the_application_appends_are_left_to_the_next_pass; the last stripe keeps its hash filter
test_every_row_is_filled_exactly_once; `max_rows` is not a cap test_no_batch_exceeds_max_rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.job_run import LEAF_SCANS_MAX, JobRun
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.batch import BatchDone, LayoutChanged
from backfill.events.job import LockTaken, LockWaiting, PassDone, PassRestarted, RetryScheduled, Started, Verified
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.throttle import NoReplicas, SignalsRead, ThrottleDecision, WaitStarted
from backfill.table.checkpoint import Checkpoint
from backfill.table.pass_progress import PASSES_MAX
from backfill.throttle.signals import Upkeep
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import (
    BackfillError,
    ConnectionLost,
    Halted,
    LockHeld,
    StatementRefused,
    Stopped,
    Superseded,
    WhereStaysTrue,
)
from tests.factories import job, replica
from tests.fake_database import Clock, FakeDatabase, FakeLeaf, Row, users

LOCK_TIMEOUT, STATEMENT_TIMEOUT, DEADLOCK, SERIALIZATION = "55P03", "57014", "40P01", "40001"


class Loop:
    """A worker, its database, its clock and what it told."""

    def __init__(self, database: FakeDatabase, stripes: int | str = 4, **keys: Any) -> None:
        self.database = database
        self.events: list[Any] = []
        runtime = database.clock.runtime(self.events.append)
        rows = {"rows": database.max_rows, "min_rows": 1, "max_rows": database.max_rows}
        self.job = job(batch=rows | {"stripes": stripes}, lanes=database.lanes, **keys)
        maintenance = Maintenance(self.job, runtime)
        control = AdmissionControl(self.job, runtime, maintenance)
        self.worker = JobRun(self.job, database.session(), runtime, control, maintenance)

    def run(self):
        return asyncio.run(self.worker.run())

    def told(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]

    def names(self) -> list[str]:
        """Return what was told, repetitions and readings left out."""
        names = [type(event).__name__ for event in self.events if not isinstance(event, SignalsRead | ThrottleDecision)]
        return [name for index, name in enumerate(names) if index == 0 or name != names[index - 1]]


def made(rows: int = 100, *, max_rows: int = 20, **changed) -> FakeDatabase:
    return FakeDatabase(**{"pages": users(rows), "clock": Clock(), "max_rows": max_rows, **changed})


def refused(sqlstate: str, took_s: float = 0.0) -> StatementRefused:
    return StatementRefused("the server's words", sqlstate, took_s)


TIMED_OUT = refused(STATEMENT_TIMEOUT, 15.0)


def refusing(*ids: int, error: StatementRefused | None = None) -> Callable[[Row], StatementRefused | None]:
    """Return what a table says to rows of these numbers."""
    return lambda row: (error or refused("23514")) if row["id"] in ids else None


def test_the_story_of_a_run_in_order():
    loop = Loop(made())
    loop.run()
    assert loop.names() == ["Started", "LayoutChanged", "NoReplicas", "BatchDone", "PassDone", "Verified"]
    assert [event.rows for event in loop.told(PassDone)] == [100]


def test_every_row_is_filled_exactly_once():
    loop = Loop(made())
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (0, 0)
    assert loop.database.fills == dict.fromkeys(range(100), 1)
    assert loop.worker.group.rows_total == 100


def test_no_batch_exceeds_max_rows():
    loop = Loop(made(300, max_rows=7))
    loop.run()
    assert max(loop.database.batches) <= 7
    assert loop.database.fills == dict.fromkeys(range(300), 1)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from(["null", "filled", "free"]), min_size=1, max_size=30), max_size=25),
    st.integers(1, 40),
    st.sampled_from([1, 2, 8, 12, "auto"]),
    st.integers(1, 3),
)
def test_any_table_is_filled_once_within_the_cap(profile, max_rows: int, stripes: int | str, lanes: int):
    number, pages = 0, []
    for kinds in profile:
        page: list[Row | None] = []
        for kind in kinds:
            number += 1
            row: Row = {"id": number, "username": "u", "handle": None if kind == "null" else "h"}
            page.append(None if kind == "free" else row)
        pages.append(page)
    database = FakeDatabase(pages, Clock(), max_rows=max_rows, lanes=lanes)
    expected = {row["id"]: 1 for row in database.rows_left()}
    Loop(database, stripes).run()
    assert database.fills == expected
    assert max(database.batches, default=0) <= max_rows
    assert database.rows_left() == []


def sparse(pages: int, due: dict[int, int], *, page: int = 30) -> list[list[Row | None]]:
    """Return pages of rows that are filled, but for so many at the end of some pages."""
    return [
        [
            {"id": number * page + slot, "username": "u", "handle": None if slot >= page - due.get(number, 0) else "h"}
            for slot in range(page)
        ]
        for number in range(pages)
    ]


RUNS = st.lists(st.tuples(st.integers(1, 400), st.sampled_from([0, 1, 6])), min_size=1, max_size=6)
"""Pages in a row, and how many rows of one in so many of them are to do."""


@settings(max_examples=25)
@given(RUNS, st.sampled_from([1, 3, 50]), st.integers(5, 300), st.sampled_from([1, 4, "auto"]), st.integers(1, 3))
def test_stretches_of_any_density_are_filled_once_within_the_cap(
    runs: list[tuple[int, int]], one_in: int, max_rows: int, stripes: int | str, lanes: int
):
    due = [rows if page % one_in == 0 else 0 for pages, rows in runs for page in range(pages)]
    database = FakeDatabase(
        sparse(len(due), dict(enumerate(due)), page=6), Clock(), max_rows=max_rows, lanes=lanes, shape_pages=32
    )
    expected = {row["id"]: 1 for row in database.rows_left()}
    loop = Loop(database, stripes)
    loop.run()
    assert database.fills == expected
    assert max(database.batches, default=0) <= max_rows
    assert len(loop.told(PassDone)) == 1


def test_an_empty_table_is_done_after_one_pass_and_one_proof():
    loop = Loop(made(0))
    assert loop.run().rows_left == 0
    assert loop.names() == ["Started", "PassDone", "Verified"]
    assert loop.database.batches == []


def test_a_table_that_is_filled_already_costs_no_batch():
    loop = Loop(made(where=lambda _: False))
    loop.run()
    assert loop.database.batches == []
    assert "read_signals" in loop.database.calls


def test_batches_tell_what_they_did():
    loop = Loop(made(30))
    loop.run()
    batches = loop.told(BatchDone)
    assert sum(event.rows for event in batches) == 30
    assert batches[-1].rows_total == 30
    assert all(event.first_page <= event.last_page <= 3 for event in batches)
    ratios = [event.progress_ratio for event in batches if event.pass_number == 1]
    assert ratios == sorted(ratios)


def test_a_read_precedes_every_batch():
    loop = Loop(made())
    loop.run()
    calls = [call for call in loop.database.calls if call in ("read_signals", "run_batch")]
    assert all(calls[index - 1] == "read_signals" for index, call in enumerate(calls) if call == "run_batch")


def test_rows_that_the_application_appends_are_left_to_the_next_pass():
    """The end page is fixed when a pass starts, else a pass might chase an application for ever."""
    database = made(40)

    def append() -> None:
        if len(database.pages) < 40:
            database.pages += users(10)
            database.accidents["run_batch"].append(append)

    database.accidents["run_batch"].append(append)
    loop = Loop(database)
    loop.run()
    assert database.rows_left() == []
    assert loop.told(PassDone)[0].rows == 40
    assert len(loop.told(PassDone)) > 2


def test_rows_that_are_written_behind_the_place_are_found_by_another_pass():
    database = made(100)

    def behind() -> None:
        database.pages[0].append({"id": 1000, "username": "late", "handle": None})

    database.accidents["run_batch"] += [lambda: None] * 3 + [behind]
    loop = Loop(database, stripes=1)
    loop.run()
    assert database.fills == dict.fromkeys([*range(100), 1000], 1)
    assert [event.rows for event in loop.told(PassDone)] == [100, 1]
    assert [event.rows_left for event in loop.told(Verified)] == [1, 0]


def late(database: FakeDatabase) -> Callable[[], None]:
    """Return what another transaction does: a row more, behind the place of any pass that is done."""
    return lambda: database.pages[0].append({"id": 1000, "username": "late", "handle": None})


def test_rows_that_appear_between_a_pass_and_its_proof_begin_another_pass():
    database = made(20)
    database.accidents["verify"].append(late(database))
    loop = Loop(database)
    assert loop.run().rows_left == 0
    assert [event.rows_left for event in loop.told(Verified)] == [1, 0]


def test_an_application_that_never_stops_is_told_after_many_passes():
    database = made(10)

    def again() -> None:
        database.pages[0].append({"id": len(database.pages[0]), "username": "late", "handle": None})
        database.accidents["verify"].append(again)

    database.accidents["verify"].append(again)
    loop = Loop(database)
    with pytest.raises(BackfillError, match=f"rows matching 'where' still appear after {PASSES_MAX} passes"):
        loop.run()
    assert len(loop.told(PassDone)) >= PASSES_MAX


def test_rows_that_cannot_converge_are_updated_once_and_counted():
    database = made(40, pages=users(40, username=lambda number: None if number % 10 == 0 else "u"))
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (4, 4)
    assert found.samples == ("0", "10", "20", "30")
    assert set(loop.worker.group.samples) <= {"0", "10", "20", "30"}
    assert sum(checkpoint.rows_unconverged for checkpoint in loop.worker.checkpoints) >= 4


def test_where_it_cannot_be_foreseen_stuck_rows_are_those_that_a_pass_updates_in_vain():
    database = made(40, pages=users(40, username=lambda number: None if number % 10 == 0 else "u"), foreseen=False)
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (4, 4)
    assert [event.rows for event in loop.told(PassDone)][-1] == 4
    assert max(database.fills.values()) <= 3


def test_a_first_batch_in_vain_ends_the_run():
    database = made(40, pages=users(40, username=lambda _: None))
    with pytest.raises(WhereStaysTrue):
        Loop(database).run()
    assert not database.fills


def test_a_checkpoint_is_gone_on_from():
    database = made(100, max_rows=5)
    first = Loop(database)
    database.clock.stop_at_s = database.clock.now_s + 0.05
    with pytest.raises(Stopped):
        first.run()
    done = len(database.batches)
    assert 0 < done < 20
    database.clock.stop_at_s = float("inf")
    second = Loop(database)
    second.run()
    assert database.fills == dict.fromkeys(range(100), 1)
    assert second.told(Started)[0].resumed
    assert second.told(Started)[0].rows_total == sum(database.batches[:done])


def test_a_stop_comes_between_two_batches_and_none_follows():
    whole = made(200, max_rows=10)
    Loop(whole).run()
    took_s = whole.clock.now_s - Clock().now_s
    for share in range(1, 20):
        database = made(200, max_rows=10)
        database.clock.stop_at_s = database.clock.now_s + took_s * share / 21
        loop = Loop(database)
        with pytest.raises(Stopped):
            loop.run()
        assert database.calls[-1] != "run_batch"
        assert (
            sum(checkpoint.rows_total for checkpoint in database.checkpoints)
            == sum(database.batches)
            == sum(event.rows for event in loop.told(BatchDone))
        )


def test_stretches_without_rows_are_skipped_without_asking_to_write():
    database = made(20)
    database.pages += [[None]] * 40_000
    loop = Loop(database, stripes="auto")
    loop.run()
    assert len(loop.told(BatchDone)) == len(database.batches) == 1
    assert (database.calls.count("find_rows"), database.calls.count("save_checkpoint")) == (5, 4)
    assert database.calls.count("read_signals") < 10


def test_pages_rest_between_stripes_until_the_transactions_beside_us_are_over():
    database = made(400, max_rows=400, upkeep=Upkeep(oldest_snapshot_s=0.004))
    loop = Loop(database)
    loop.run()
    rests = [event for event in loop.told(WaitStarted) if event.reason.kind is WaitKind.REST]
    assert [event.delay_s > 0 for event in rests] == [True] * 3
    assert rests[0].reason.text.startswith("snapshots reach back ")
    assert database.fills == dict.fromkeys(range(400), 1)


def test_without_transactions_beside_us_nothing_rests():
    loop = Loop(made(400, max_rows=400))
    loop.run()
    assert not loop.told(WaitStarted)


def test_few_rows_are_found_in_one_read_and_updated_by_their_addresses():
    database = made(pages=sparse(3_000, dict.fromkeys(range(500, 3_000, 50), 1)), max_rows=20)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert database.batches == [20, 20, 10]
    assert database.calls.count("count_rows") == 0
    assert database.calls.count("find_rows") <= 4
    assert database.rows_left() == []


def test_where_a_sparse_stretch_turns_dense_stripes_begin_at_its_first_page():
    due = dict.fromkeys(range(0, 3_000, 200), 1) | dict.fromkeys(range(3_000, 3_100), 30)
    database = made(pages=sparse(6_000, due), max_rows=50, shape_pages=32)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert sum(database.batches) == 15 + 3_000
    assert max(database.batches) <= 50
    assert max(database.fills.values()) == 1
    [*_, dense] = loop.told(LayoutChanged)
    assert len(dense.sizes) > 1
    striped = [event for event in loop.told(BatchDone) if event.stripes > 1]
    assert (striped[0].first_page, sum(event.rows for event in striped)) == (3_000, 3_000)


def test_a_crowded_page_among_empty_ones_is_taken_by_address_where_its_surroundings_are_sparse():
    database = made(pages=sparse(4_000, dict.fromkeys(range(100, 4_000, 400), 30)), max_rows=50, shape_pages=32)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert sum(database.batches) == 300
    assert database.calls.count("count_rows") == 0
    assert database.rows_left() == []


def test_rows_that_become_due_behind_a_read_are_left_to_the_next_pass_and_the_cap_stays_hard():
    database = made(pages=sparse(1_000, dict.fromkeys(range(0, 1_000, 50), 1)), max_rows=10)

    def crowd() -> None:
        for page in database.pages:
            for row in page:
                assert row is not None
                row["handle"] = None

    database.accidents["run_batch"].append(crowd)
    loop = Loop(database, stripes="auto")
    loop.run()
    assert [event.rows_left for event in loop.told(Verified)] == [30_000 - 20, 0]
    assert max(database.batches) == 10
    assert database.fills == dict.fromkeys(range(30_000), 1)


def test_a_timeout_of_a_wide_read_keeps_those_that_follow_narrow():
    database = made(0, pages=[[None]] * 40_000)
    database.accidents["find_rows"] += [lambda: None, lambda: None, TIMED_OUT]
    loop = Loop(database)
    loop.run()
    assert len(loop.told(RetryScheduled)) == 1
    assert database.reaches[:5] == [4096, 8192, 1250, 1250, 1250]


def test_a_scout_serves_many_batches():
    database = made(2000, max_rows=400)
    Loop(database).run()
    assert database.calls.count("count_rows") < database.calls.count("run_batch") + 6


def test_more_rows_than_were_scouted_are_scouted_again():
    database = made(100)

    def crowd() -> None:
        database.pages[0] += users(25)[0] + users(25)[1]

    database.accidents["run_batch"].append(crowd)
    loop = Loop(database)
    loop.run()
    assert max(database.batches) <= 20
    assert sum(database.batches) == 120
    assert database.rows_left() == []


@pytest.mark.parametrize("sqlstate", [LOCK_TIMEOUT, STATEMENT_TIMEOUT, DEADLOCK, SERIALIZATION])
def test_what_another_attempt_may_mend_is_tried_again(sqlstate: str):
    database = made(100)
    database.accidents["run_batch"] += [refused(sqlstate)] * 3
    loop = Loop(database)
    loop.run()
    assert database.fills == dict.fromkeys(range(100), 1)
    retries = loop.told(RetryScheduled)
    assert [(event.reason, event.attempt) for event in retries] == [(sqlstate, 1), (sqlstate, 2), (sqlstate, 3)]
    assert [event.delay_s for event in retries] == pytest.approx([0.075, 0.15, 0.3])


def test_a_retry_is_told_as_a_wait_with_its_reason_and_waited():
    database = made(100)
    database.accidents["run_batch"].append(refused(DEADLOCK))
    loop = Loop(database)
    loop.run()
    waits = [event for event in loop.told(WaitStarted) if event.reason.kind is WaitKind.RETRY]
    assert [(str(event.reason), event.delay_s) for event in waits] == [
        ("attempt 1: the server's words", pytest.approx(0.075))
    ]
    assert loop.names()[:6] == ["Started", "LayoutChanged", "NoReplicas", "RetryScheduled", "WaitStarted", "BatchDone"]
    assert database.waits == ["attempt 1: the server's words", None]


def test_a_retry_that_cannot_be_kept_is_no_other_failure():
    database = made(100)
    database.accidents["run_batch"].append(refused(DEADLOCK))
    database.accidents["save_wait"].append(refused(DEADLOCK))
    loop = Loop(database)
    loop.run()
    assert len(loop.told(RetryScheduled)) == 1
    assert not database.rows_left()


def test_a_lock_that_is_not_had_makes_batches_smaller_and_success_larger_again():
    database = made(400, max_rows=64)
    database.accidents["run_batch"] += [refused(LOCK_TIMEOUT)] * 3
    Loop(database).run()
    assert database.batches[0] <= 8
    assert max(database.batches) > 32


def test_a_serialization_failure_keeps_the_size():
    database = made(400, max_rows=64)
    database.accidents["run_batch"] += [refused(SERIALIZATION)] * 3
    Loop(database).run()
    assert database.batches[0] > 32


def test_one_row_is_the_smallest_batch():
    database = made(40, max_rows=4)
    database.accidents["run_batch"] += [refused(LOCK_TIMEOUT)] * 12
    Loop(database).run()
    assert min(database.batches) == database.batches[0] == 1
    assert database.fills == dict.fromkeys(range(40), 1)


def test_success_ends_the_count_of_failures():
    database = made(100)
    database.accidents["run_batch"] += [refused(DEADLOCK), lambda: None, refused(DEADLOCK)]
    loop = Loop(database)
    loop.run()
    assert [event.attempt for event in loop.told(RetryScheduled)] == [1, 1]


STEPS = ["count_rows", "find_rows", "read_signals", "run_batch", "save_wait", "new_pass", "verify"]


@pytest.mark.parametrize("method", STEPS)
def test_every_step_of_the_loop_is_tried_again(method: str):
    database = made(50, replicas=lambda data: (replica("replica-a", data.insert_lsn),))
    database.accidents[method].append(refused(LOCK_TIMEOUT))
    database.accidents["verify"].append(late(database))
    loop = Loop(database)
    loop.run()
    assert len(loop.told(RetryScheduled)) == 1
    assert database.fills == dict.fromkeys([*range(50), 1000], 1)


@pytest.mark.parametrize("sqlstate", ["53100", "25006", "42501"])
def test_what_only_a_person_can_mend_halts(sqlstate: str):
    database = made()
    database.accidents["run_batch"].append(refused(sqlstate))
    with pytest.raises(Halted, match="the server's words"):
        Loop(database).run()


@pytest.mark.parametrize("sqlstate", ["42703", "42P01", "55000"])
def test_what_would_fail_again_fails(sqlstate: str):
    database = made()
    database.accidents["run_batch"].append(refused(sqlstate))
    with pytest.raises(StatementRefused, match="the server's words"):
        Loop(database).run()


def test_a_server_that_shuts_down_is_a_lost_session():
    database = made()
    database.accidents["run_batch"].append(refused("57P01"))
    with pytest.raises(ConnectionLost):
        Loop(database).run()


def test_a_checkpoint_that_another_worker_moved_ends_the_session():
    database = made()
    database.accidents["run_batch"] += [lambda: None, database.take_over]
    loop = Loop(database)
    with pytest.raises(Superseded):
        loop.run()
    assert loop.worker.group.progressed
    assert len(database.batches) == 1


def test_a_rewritten_table_is_scanned_from_its_start():
    database = made(100, max_rows=10)

    def rewrite() -> None:
        rows = [row for page in database.pages for row in page if row is not None]
        rows.reverse()
        database.rewrite([list(rows[start : start + 10]) for start in range(0, len(rows), 10)])

    database.accidents["run_batch"] += [lambda: None] * 4 + [rewrite]
    loop = Loop(database)
    loop.run()
    assert database.fills == dict.fromkeys(range(100), 1)
    assert [event.why for event in loop.told(PassRestarted)] == ["the table was rewritten"]
    assert database.calls.count("reopen") == 1


def test_a_table_that_was_rewritten_while_nobody_worked_is_told_at_the_start():
    database = made(20)
    Loop(database).run()
    database.rewrite(database.pages)
    again = Loop(database)
    again.run()
    assert again.names()[:2] == ["Started", "PassRestarted"]


def test_a_rewrite_between_passes_is_noticed_too():
    database = made(20)
    database.accidents["verify"].append(late(database))
    database.accidents["new_pass"].append(lambda: database.rewrite(database.pages))
    loop = Loop(database)
    loop.run()
    assert len(loop.told(PassRestarted)) == 1
    assert database.rows_left() == []


def test_the_locks_holder_is_told_each_second_until_it_ends():
    database = made(holder="pod-1 (pid 42)")
    database.accidents["try_lock"] += [lambda: None, lambda: None, lambda: setattr(database, "holder", None)]
    loop = Loop(database)
    asyncio.run(loop.worker.lock(wait=True))
    assert loop.names() == ["LockWaiting", "WaitStarted", "LockWaiting", "WaitStarted", "LockTaken"]
    assert [event.holder for event in loop.told(LockWaiting)] == ["pod-1 (pid 42)"] * 2
    assert [round(event.waited_s) for event in loop.told(LockWaiting)] == [0, 1]
    assert round(loop.told(LockTaken)[0].waited_s) == 2
    assert {event.reason.kind for event in loop.told(WaitStarted)} == {WaitKind.LOCK}


def test_one_that_shall_not_wait_says_who_holds_the_lock():
    loop = Loop(made(holder="pod-1 (pid 42)"))
    with pytest.raises(LockHeld, match=r"pod-1 \(pid 42\)"):
        asyncio.run(loop.worker.lock(wait=False))


def test_waiting_for_the_lock_ends_when_we_are_to_stop():
    database = made(holder="pod-1")
    database.clock.stop_at_s = database.clock.now_s + 5.5
    loop = Loop(database)
    with pytest.raises(Stopped):
        asyncio.run(loop.worker.lock(wait=True))
    assert database.calls.count("try_lock") == 6


def test_an_unreplicated_server_is_told_once():
    loop = Loop(made(200))
    loop.run()
    assert len(loop.told(NoReplicas)) == 1


def test_a_lost_session_raises_what_it_was():
    database = made()
    database.accidents["run_batch"].append(ConnectionLost("server closed the connection unexpectedly"))
    with pytest.raises(ConnectionLost, match="closed the connection"):
        Loop(database).run()


def test_a_lost_session_stays_lost():
    database = made()
    database.accidents["count_rows"].append(ConnectionLost("gone"))

    async def read_twice() -> None:
        async with database.session().open_leaf("public.users") as leaf:
            [lane], [checkpoint] = await leaf.lanes(1), leaf.opened.checkpoints
            for _ in range(2):
                with pytest.raises(ConnectionLost):
                    await lane.count_rows(checkpoint, 5, 100)

    asyncio.run(read_twice())


def test_the_same_run_twice_is_the_same_run():
    def story() -> list[Any]:
        loop = Loop(made(150))
        loop.run()
        return loop.events

    assert story() == story()


async def opened_checkpoints(database: FakeDatabase) -> tuple[Checkpoint, ...]:
    async with database.session().open_leaf("public.users") as leaf:
        return leaf.opened.checkpoints


def test_a_place_in_the_middle_of_a_page_is_gone_on_from():
    database = made(0, pages=users(80, page=40), max_rows=3)
    [checkpoint] = asyncio.run(opened_checkpoints(database))
    database.checkpoints = (replace(checkpoint, next=checkpoint.next._replace(page=0, offset=7)),)
    Loop(database).run()
    assert database.rows_left() == []


def parts(*rows: int, **changed) -> FakeDatabase:
    """A table in so many leaves of so many rows; there is no row in the job's own name."""
    number, leaves = 0, {}
    for name, count in enumerate(rows):
        pages = users(count)
        for page in pages:
            for row in page:
                assert row is not None
                row["id"] = number
                number += 1
        leaves[f"public.users_{name}"] = FakeLeaf(pages)
    first = leaves.pop("public.users_0")
    return made(**{"pages": first.pages, "leaf": "public.users_0", "shelf": leaves, **changed})


@pytest.mark.parametrize("lanes", [1, 2])
def test_leaf_by_leaf_every_row_is_filled_once_and_progress_never_falls(lanes: int):
    database = parts(100, 0, 50, 7, lanes=lanes)
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (0, 0)
    assert database.fills == dict.fromkeys(range(157), 1)
    assert [(event.leaf, event.number, event.leaves) for event in loop.told(LeafStarted)] == [
        (f"public.users_{index}", index + 1, 4) for index in range(4)
    ]
    assert [event.number for event in loop.told(LeafDone)] == [1, 2, 3, 4]
    [started] = loop.told(Started)
    assert (started.table, started.leaves, started.pages) == ("public.users", 4, 16)
    ratios = [event.progress_ratio for event in loop.told(BatchDone, LeafStarted)]
    assert ratios == sorted(ratios)
    assert [event.progress_ratio for event in loop.told(LeafStarted)] == [0.0, 10 / 16, 10 / 16, 15 / 16]
    assert [event.rows_total for event in loop.told(BatchDone)][-1] == loop.worker.group.rows_total == 157


def test_a_leaf_that_was_left_is_gone_on_from_and_those_that_are_done_are_not_read_again():
    database = parts(100, 100, 100, max_rows=5)
    first = Loop(database)
    database.accidents["committed"] += [lambda: None] * 29 + [ConnectionLost("gone")]
    with pytest.raises(ConnectionLost):
        first.run()
    assert [event.number for event in first.told(LeafDone)] == [1]
    done = sum(database.batches)
    second = Loop(database)
    second.run()
    assert database.fills == dict.fromkeys(range(300), 1)
    told = [(event.leaf, event.number, event.resumed) for event in second.told(LeafStarted)]
    assert told == [("public.users_1", 2, True), ("public.users_2", 3, False)]
    [started] = second.told(Started)
    assert (started.resumed, started.rows_total) == (True, done)
    assert 1 / 3 < started.progress_ratio < 2 / 3
    assert second.worker.group.rows_total == 300
    assert len(second.told(Verified)) == 2


def test_a_leaf_that_comes_during_the_run_is_filled_before_the_end():
    database = parts(30, 30)
    late = FakeLeaf([[{"id": 1000, "username": "late", "handle": None}]])
    database.accidents["verify"].append(lambda: database.shelf.update({"public.a": late}))
    loop = Loop(database)
    loop.run()
    assert [event.leaf for event in loop.told(LeafDone)] == ["public.users_0", "public.users_1", "public.a"]
    assert database.fills == dict.fromkeys([*range(60), 1000], 1)


def test_a_leaf_that_goes_at_work_is_told_and_the_others_go_on():
    database = parts(40, 40, 40, max_rows=10)
    database.accidents["run_batch"] += [lambda: None] * 6 + [lambda: setattr(database, "gone", True)]
    loop = Loop(database)
    assert loop.run().rows_left == 0
    [gone] = loop.told(LeafRemoved)
    assert (gone.leaf, gone.why) == ("public.users_1", "table 'public.users_1' was detached from 'public.users'")
    assert [event.leaf for event in loop.told(LeafDone)] == ["public.users_0", "public.users_2"]
    assert database.fills == dict.fromkeys([*range(40), *range(80, 120)], 1) | {
        number: 1 for number in database.fills if 40 <= number < 80
    }
    assert loop.worker.group.rows_total == sum(database.fills.values()) < 120


def test_a_dropped_leaf_is_known_by_the_server_s_words_and_any_other_error_is_raised():
    def drop() -> None:
        database.gone = True
        raise refused("42P01")

    database = parts(40, 40, max_rows=10)
    database.accidents["run_batch"].append(drop)
    loop = Loop(database)
    loop.run()
    assert [event.why for event in loop.told(LeafRemoved)] == ["the server's words"]
    database = parts(40, 40, max_rows=10)
    database.accidents["run_batch"].append(refused("42703"))
    with pytest.raises(StatementRefused, match="the server's words"):
        Loop(database).run()


def test_a_leaf_that_another_job_fills_is_waited_for():
    database = parts(10, 10)
    one = database.shelf["public.users_1"]
    one.holder = "pod-2 (pid 7)"
    database.accidents["try_leaf"] += [lambda: None, lambda: None, lambda: None, lambda: setattr(one, "holder", None)]
    loop = Loop(database)
    loop.run()
    assert {(event.leaf, event.holder) for event in loop.told(LockWaiting)} == {("public.users_1", "pod-2 (pid 7)")}
    assert [event.leaf for event in loop.told(LockTaken)] == ["public.users_1"]
    assert [event.number for event in loop.told(LeafDone)] == [1, 2]


def test_one_that_shall_not_wait_does_not_wait_for_a_leaf_either():
    database = parts(10, 10)
    database.shelf["public.users_1"].holder = "pod-2 (pid 7)"
    loop = Loop(database)
    asyncio.run(loop.worker.lock(wait=False))
    with pytest.raises(LockHeld, match=r"leaf public.users_1 is locked by pod-2"):
        loop.run()


def test_what_cannot_converge_is_summed_over_the_leaves():
    database = parts(20, 20)
    for page in [*database.pages, *database.shelf["public.users_1"].pages]:
        assert page[0] is not None
        page[0]["username"] = None
    loop = Loop(database)
    found = loop.run()
    assert (found.rows_left, found.rows_unconverged) == (4, 4)
    assert found.samples == tuple(f"public.users_{leaf} {row}" for leaf, row in ((0, 0), (0, 10), (1, 20), (1, 30)))
    assert [event.rows_unconverged for event in loop.told(LeafDone)] == [2, 4]


def test_the_first_batch_is_the_trial_of_the_job_and_not_of_each_leaf():
    database = parts(20, 20)
    for page in database.shelf["public.users_1"].pages:
        for row in page:
            assert row is not None
            row["username"] = None
    assert Loop(database).run().rows_unconverged == 20


def test_leaves_that_come_faster_than_they_are_filled_end_the_run():
    database = parts(1)
    names = iter(range(10**6))

    def another() -> None:
        database.shelf[f"public.late_{next(names):06}"] = FakeLeaf(users(1))
        database.accidents["verify"].append(another)

    database.accidents["verify"].append(another)
    with pytest.raises(
        BackfillError, match=f"gave up after {LEAF_SCANS_MAX} scans of the partition list: partitions of 'public.users'"
    ):
        Loop(database).run()


def test_a_table_without_leaves_is_done():
    database = made(0, gone=True)
    loop = Loop(database)
    assert loop.run().rows_left == 0
    assert loop.names() == ["Started"]
