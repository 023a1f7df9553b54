"""What a person asks reaches a worker wherever it is: between batches, in a wait for another attempt, at the proof."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backfill.engine.retry_loop import RESUME_POLL_S
from backfill.engine.supervisor import JobSupervisor
from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Finished, RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.observe.status import State, begin
from backfill.observe.status_fold import fold
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import Cancelled, StatementRefused, Stopped
from tests.factories import job, request
from tests.fake_database import Clock, FakeDatabase, FakeLeaf, users

PAUSED = "paused by alice since 2026-11-29 10:02 UTC"
CANCELLED = "job 'users-handle' was cancelled by alice at 2026-11-29 10:02 UTC"


class Run:
    """A job on a database in memory, to its end, and what it recorded."""

    def __init__(self, database: FakeDatabase, **keys: str) -> None:
        self.database = database
        self.events: list[Event] = []
        runtime = database.clock.runtime(self.events.append)
        size = {"rows": 10, "min_rows": 1, "max_rows": 10}
        self.supervisor = JobSupervisor(
            job(batch=size, lanes=database.lanes, **keys), database.connect, runtime, wait_for_lock=True
        )

    def run(self) -> Finished:
        return asyncio.run(self.supervisor.run())

    def waits(self, kind: WaitKind) -> list[WaitStarted]:
        return [event for event in self.events if isinstance(event, WaitStarted) and event.reason.kind is kind]

    @property
    def batches(self) -> int:
        return sum(isinstance(event, BatchDone) for event in self.events)


def made(**changed) -> FakeDatabase:
    return FakeDatabase(**{"pages": users(100), "clock": Clock(), "max_rows": 10, **changed})


def after(count: int, act: Callable[[], None]) -> list[Callable[[], None]]:
    """Return calls of which the last one acts."""
    return [*[lambda: None] * count, act]


def asking(database: FakeDatabase, action: str, number: int = 1, **changed) -> Callable[[], None]:
    def ask() -> None:
        database.request = request(action, number, **changed)

    return ask


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_paused_job_runs_no_batch_keeps_its_session_and_goes_on_when_it_is_resumed(lanes: int):
    database = made(lanes=lanes)
    database.accidents["run_batch"] += after(3, asking(database, "pause"))
    resumed_at: list[int] = []

    def resume() -> None:
        resumed_at.append(len(database.batches))
        database.request = request("resume", 2)

    run = Run(database)
    database.accidents["save_wait"] += after(40, resume)
    finished = run.run()
    assert (finished.state, finished.rows_total, database.sessions) == ("done", 100, 1)
    assert {str(wait.reason) for wait in run.waits(WaitKind.PAUSED)} == {PAUSED}
    assert database.waits.count(PAUSED) >= 1
    assert resumed_at == [4]
    assert database.waits[-1] is None
    assert database.fills == dict.fromkeys(range(100), 1)


def test_a_pause_ends_by_itself_at_its_end():
    database = made()
    asking(database, "pause", left_s=5.0)()
    ends_s = database.clock.now_s + 5.0
    entered = database.enter

    def passing(method: str) -> None:
        database.request = request("pause", left_s=ends_s - database.clock.now_s)
        entered(method)

    database.enter = passing  # type: ignore[method-assign]
    run = Run(database)
    assert run.run().state == "done"
    paused_s = sum(wait.delay_s for wait in run.waits(WaitKind.PAUSED))
    assert 4.0 < paused_s <= 5.0


def test_a_pause_is_saved_at_once_and_then_seldom():
    database = made()
    asking(database, "pause")()
    database.clock.stop_at_s = database.clock.now_s + 60
    run = Run(database)
    with pytest.raises(Stopped):
        run.run()
    assert run.batches == 0
    assert 5 <= database.waits.count(PAUSED) <= 8
    assert len(run.waits(WaitKind.PAUSED)) > 100


def test_a_paused_job_is_shown_as_paused_and_a_cancelled_one_has_ended():
    database = made()
    database.accidents["run_batch"] += after(2, asking(database, "pause"))
    database.accidents["save_wait"] += after(6, asking(database, "cancel", 2))
    run, states = Run(database), []
    with pytest.raises(Cancelled):
        run.run()
    status = begin("users-handle", 0.0)
    for event in run.events:
        status = fold(status, event, 1.0)
        states.append(status.state)
    assert State.PAUSED in states
    assert status.state is State.CANCELLED
    assert status.ended


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_cancelled_job_ends_after_the_batch_in_flight_and_says_so(lanes: int):
    database = made(lanes=lanes)
    database.accidents["run_batch"] += after(3, asking(database, "cancel"))
    run = Run(database)
    with pytest.raises(Cancelled, match=CANCELLED):
        run.run()
    assert [end.state for end in database.ends] == ["cancelled"]
    assert database.ends[0].rows_total == sum(database.batches)
    assert 4 <= len(database.batches) <= 3 + lanes


def test_a_cancelled_job_takes_its_trigger_with_it_and_no_other_end_does():
    database = made()
    run = Run(database, sync="trigger")
    assert run.run().state == "done"
    assert database.has_sync_trigger
    database.pages, database.request = users(100), None
    database.accidents["run_batch"] += after(3, asking(database, "cancel"))
    with pytest.raises(Cancelled, match=CANCELLED):
        Run(database, sync="trigger").run()
    assert database.ends[-1].state == "cancelled"
    assert not database.has_sync_trigger


def test_a_job_that_was_cancelled_before_it_began_touches_nothing():
    database = made()
    asking(database, "cancel")()
    with pytest.raises(Cancelled, match=CANCELLED):
        Run(database).run()
    assert "open_leaf" not in database.calls
    assert database.ends == []


def test_a_job_that_waits_for_a_lock_of_its_table_can_be_cancelled():
    """For the trigger's lock, and for that of a leaf; the job's own lock is another worker's, who sees it."""
    database = made()
    database.accidents["install_sync_trigger"].append(asking(database, "cancel"))
    with pytest.raises(Cancelled, match=CANCELLED):
        Run(database, sync="trigger").run()
    assert "open_leaf" not in database.calls
    database = made(shelf={"public.users_1": FakeLeaf(users(20), holder="another session")})
    database.accidents["try_leaf"] += after(3, asking(database, "cancel"))
    with pytest.raises(Cancelled, match=CANCELLED):
        Run(database).run()
    assert database.calls.count("try_leaf") == 4


def refused() -> StatementRefused:
    return StatementRefused("canceling statement due to lock timeout", "55P03", 1.0)


def failing(database: FakeDatabase, count: int, act: Callable[[], None]) -> Run:
    """Let `count` batches in a row fail, and somebody act in the wait behind the last one."""
    database.accidents["run_batch"] += [refused() for _ in range(count)]
    run, saved, looks = Run(database), database.enter, [0]

    def noting(method: str) -> None:
        saved(method)
        failures = sum(isinstance(event, RetryScheduled) for event in run.events)
        looks[0] += method == "read_request" and failures == count
        if looks[0] == 2:
            database.enter = saved  # type: ignore[method-assign]
            act()

    database.enter = noting  # type: ignore[method-assign]
    return run


def last_wait_s(run: Run) -> tuple[float, float]:
    """Return how long the last wait for another attempt was to be, and the time at which it began."""
    waits = run.waits(WaitKind.RETRY)
    return waits[-1].delay_s, sum(wait.delay_s for wait in waits[:-1])


@pytest.mark.parametrize("number", [2, 3])
def test_a_resume_cuts_a_wait_for_another_attempt_short(number: int):
    database = made(request=request("resume", 2))
    run = failing(database, 9, asking(database, "resume", number))
    assert run.run().state == "done"
    delay_s, before_s = last_wait_s(run)
    assert delay_s > 5 * RESUME_POLL_S
    waited_s = database.clock.now_s - Clock().now_s - before_s
    assert (waited_s < delay_s / 2) is (number == 3), "only a request that came in the wait ends it"


def test_a_cancel_ends_a_wait_for_another_attempt():
    database = made()
    run = failing(database, 9, asking(database, "cancel"))
    with pytest.raises(Cancelled):
        run.run()
    delay_s, before_s = last_wait_s(run)
    assert database.clock.now_s - Clock().now_s - before_s < delay_s / 2
    assert [end.state for end in database.ends] == ["cancelled"]


def test_a_wait_whose_requests_cannot_be_read_is_waited_to_its_end():
    database = made()
    run = failing(database, 9, lambda: None)
    database.accidents["read_request"] += [refused() for _ in range(20)]
    assert run.run().state == "done"


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_the_proof_gives_way_to_a_person_and_begins_again(action: str):
    database = FakeDatabase(users(20), Clock(), max_rows=10)
    database.accidents["verify"].append(asking(database, action))
    database.accidents["save_wait"] += after(5, asking(database, "resume", 2))
    run = Run(database)
    if action == "cancel":
        with pytest.raises(Cancelled):
            run.run()
    else:
        assert run.run().state == "done"
        assert database.calls.count("verify") == 2
        assert run.waits(WaitKind.PAUSED)
