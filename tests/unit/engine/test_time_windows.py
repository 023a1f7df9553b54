"""A closed window is kept within one batch, by the server's clock, without a session more or less, and can be opened."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backfill.engine.supervisor import JobSupervisor
from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.events.throttle import WaitStarted
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import ProofInterrupted
from tests.factories import job, request
from tests.fake_database import Clock, FakeDatabase, users

pytestmark = pytest.mark.anyio

BEGINS_S = Clock().now_s
"""00:16:40 by the server's clock."""
CLOSED = "window closed until Mon 00:30 UTC"


class Run:
    """A job with windows on a database in memory, and what it recorded."""

    def __init__(self, *windows: str, **changed) -> None:
        self.database = FakeDatabase(**{"pages": users(100), "clock": Clock(), "max_rows": 10, **changed})
        self.events: list[Event] = []
        size = {"rows": 10, "min_rows": 1, "max_rows": 10}
        runtime = self.database.clock.runtime(self.events.append)
        made = job(batch=size, lanes=self.database.lanes, window=list(windows))
        self.supervisor = JobSupervisor(made, self.database.connect, runtime, wait_for_lock=True)

    async def run(self) -> Finished:
        return await self.supervisor.run()

    def at(self, now_s: float) -> Callable[[], None]:
        def set_clock() -> None:
            self.database.clock.now_s = now_s

        return set_clock

    @property
    def waits(self) -> list[str]:
        waits = [event for event in self.events if isinstance(event, WaitStarted)]
        return [str(wait.reason) for wait in waits if wait.reason.kind is WaitKind.SCHEDULE]


async def test_a_job_waits_for_its_window_before_it_opens_its_table():
    run = Run("00:30-01:00 UTC")
    assert (await run.run()).state == "done"
    assert set(run.waits) == {CLOSED}
    assert run.database.calls.index("read_time") < run.database.calls.index("open_leaf")
    assert 1800 <= run.database.clock.now_s < 1802
    assert run.database.sessions == 1


@pytest.mark.parametrize("lanes", [1, 3])
async def test_a_window_that_closes_stops_the_job_within_one_batch_of_each_lane(lanes: int):
    run = Run("00:00-00:20 UTC", "00:30-01:00 UTC", lanes=lanes)
    run.database.accidents["run_batch"] += [*[lambda: None] * 3, run.at(1201.0)]
    batches: list[int] = []
    run.database.accidents["save_wait"] += [*[lambda: None] * 30, lambda: batches.append(len(run.database.batches))]
    assert (await run.run()).state == "done"
    assert 4 <= batches[0] <= 3 + lanes
    assert set(run.waits) == {CLOSED}
    assert run.database.fills == dict.fromkeys(range(100), 1)
    assert run.database.waits.count(CLOSED) < 70, "it is saved every ten seconds"
    assert run.database.waits[-1] is None


async def test_a_resume_with_an_end_lets_it_work_at_once_and_a_pause_goes_before_it():
    run = Run("00:30-01:00 UTC")
    database = run.database

    def open_windows() -> None:
        database.request = request("resume", 2, left_s=60.0)

    database.request = request("pause")
    database.accidents["read_request"] += [*[lambda: None] * 5, open_windows]
    assert (await run.run()).state == "done"
    assert run.waits == []
    assert database.clock.now_s < BEGINS_S + 30


async def test_the_final_read_begins_again_when_the_window_opens_again():
    run = Run("00:00-00:20 UTC", "00:30-01:00 UTC")

    def closes() -> None:
        run.database.clock.now_s = 1201.0
        raise ProofInterrupted("its time windows are closed")

    run.database.accidents["verify"].append(closes)
    assert (await run.run()).state == "done"
    assert run.database.calls.count("verify") == 2
    assert set(run.waits) == {CLOSED}
