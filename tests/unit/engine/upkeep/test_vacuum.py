"""What is done and told about vacuums in a run: the decision itself is `core.vacuum`'s."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from backfill.engine.upkeep.vacuum import VacuumSupervisor
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.table.batch import Committed
from backfill.table.checkpoint import Checkpoint
from backfill.throttle.signals import Upkeep, VacuumResult
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import ConnectionLost
from tests.factories import MB, job, signals
from tests.fake_database import Clock

UPKEEP = Upkeep(live_tuples=100_000, vacuums=1, redo_lsn=MB)
DONE = VacuumResult(took_s=0.5, removed=12_000, held=0)
LAG = WaitReason(WaitKind.LAG, "replica-a lag 12.4s > 9s")


class Server:
    """A session whose vacuum ends when the test says so."""

    def __init__(self) -> None:
        self.costs: list[VacuumCost] = []
        self.stops: list[str] = []
        self.saved: list[str] = []
        self.lost = False

    async def start_vacuum(self, cost: VacuumCost) -> None:
        self.costs.append(cost)

    async def stop_vacuum(self, why: str) -> VacuumResult:
        self.stops.append(why)
        return VacuumResult(took_s=0.25, stopped=why)

    async def save_vacuum(self, text: str) -> None:
        if self.lost:
            raise ConnectionLost("the connection is closed")
        self.saved.append(text)


class Run:
    def __init__(self, **keys: Any) -> None:
        self.clock = Clock()
        self.events: list[Any] = []
        self.server: Any = Server()
        self.job = job(**keys)
        self.vacuum_supervisor = VacuumSupervisor(self.clock.runtime(self.events.append))

    def fill(self, rows: int, *, hot: int = 0, unfilled_share: float = 1.0) -> None:
        self.clock.now_s += 0.1
        checkpoint = Checkpoint(end_page=100)
        self.vacuum_supervisor.on_committed(
            Committed(
                checkpoint=checkpoint,
                rows=rows,
                rows_unconverged=0,
                rows_hot=hot,
                wal_bytes=1000,
                insert_lsn=9 * MB,
                took_s=0.1,
                samples=(),
            ),
            unfilled_share,
        )

    def update(
        self,
        upkeep: Upkeep = UPKEEP,
        *,
        blocked_by: WaitReason | None = None,
        vacuumed: VacuumResult | None = None,
        age_s: float = 0,
    ) -> None:
        self.clock.now_s += 1.0
        reading = signals(self.clock.now_s - age_s, 9 * MB, upkeep=upkeep, vacuumed=vacuumed)
        asyncio.run(
            self.vacuum_supervisor.update(
                self.server, self.job, ThrottleState(), reading, blocked_by=blocked_by, window_begins=True
            )
        )

    def stop(self, why: str) -> None:
        asyncio.run(self.vacuum_supervisor.stop(self.server, self.job, why))

    def told(self, kind: Any) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def test_rows_that_stay_on_their_page_ask_for_nothing():
    run = Run()
    run.fill(50_000, hot=45_000)
    run.update()
    assert (run.server.costs, run.events) == ([], [])


def test_room_that_later_stripes_fill_asks_for_nothing():
    run = Run()
    run.fill(20_000, hot=0, unfilled_share=0.1)
    run.update()
    assert run.server.costs == []
    run.fill(20_000, hot=0, unfilled_share=0.8)
    run.update()
    assert len(run.server.costs) == 1


def test_one_starts_is_reported_and_its_end_is_reported_and_kept_once():
    run = Run()
    run.fill(12_000)
    run.update()
    run.update()
    assert len(run.server.costs) == 1
    assert [one.moved for one in run.told(VacuumStarted)] == [12_000]
    for _ in range(3):
        run.update(vacuumed=DONE)
    [done] = run.told(VacuumDone)
    assert (done.result, done.why, done.took_s, done.removed, done.held) == ("done", "", 0.5, 12_000, 0)
    assert run.server.saved == ["vacuum done in 500ms, 12,000 row versions removed"]


def test_a_reading_from_before_it_began_reports_the_one_before():
    run = Run()
    run.fill(12_000)
    run.update()
    run.update(vacuumed=DONE)
    run.fill(12_000)
    run.update(vacuumed=DONE)
    assert len(run.told(VacuumStarted)) == 2
    run.update(vacuumed=DONE, age_s=1.5)
    assert len(run.told(VacuumDone)) == 1
    run.update(vacuumed=DONE)
    assert len(run.told(VacuumDone)) == 2


def test_a_fault_stops_it_and_says_so():
    run = Run()
    run.fill(12_000)
    run.update()
    run.update(blocked_by=LAG)
    assert run.server.stops == [str(LAG)]
    [done] = run.told(VacuumDone)
    assert (done.result, done.why) == ("stopped", str(LAG))
    run.update(blocked_by=LAG)
    assert run.server.stops == [str(LAG)]


def test_the_end_of_a_run_is_its_end_even_without_a_session_to_keep_it():
    run = Run()
    run.stop("the run ends")
    assert run.events == []
    run.fill(12_000)
    run.update()
    run.server.lost = True
    run.stop("the run ends")
    assert [one.why for one in run.told(VacuumDone)] == ["the run ends"]


def test_another_session_begins_without_it():
    run = Run()
    run.fill(12_000)
    run.update()
    run.vacuum_supervisor.begin(run.job)
    assert [(one.result, one.why) for one in run.told(VacuumDone)] == [("stopped", "the session ended")]
    run.update()
    assert len(run.server.costs) == 1


def test_no_right_is_reported_once():
    run = Run()
    run.fill(12_000)
    for _ in range(3):
        run.update(replace(UPKEEP, vacuum_needs="GRANT MAINTAIN ON public.users TO filler;"))
    [unable] = run.told(VacuumNotPermitted)
    assert unable.why == (
        "vacuum: auto cannot vacuum public.users: permission denied; run: GRANT MAINTAIN ON public.users TO filler;"
    )
    assert run.server.costs == []


def test_off_is_off():
    run = Run(vacuum="off")
    run.fill(12_000)
    run.update(replace(UPKEEP, vacuum_needs="GRANT x;"))
    assert (run.server.costs, run.events) == ([], [])
