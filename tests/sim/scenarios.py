"""The classic scenarios, each a plant and a budget, and what was seen on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.sim.loop import Loop
from tests.sim.path import MB, Path
from tests.sim.plant import Plant, Work
from tests.sim.plants import laws
from tests.sim.server import INFINITE

QUICK = Work(row_s=3e-6)
DAY_S = 86_400.0


def link(rate: float, *steps: tuple[float, float], **changed: object) -> Path:
    """Return a path of `rate` MB/s, later of others."""
    rates = ((0.0, rate * MB), *((at_s, one * MB) for at_s, one in steps))
    return Path(**{"rates": rates, **changed})  # type: ignore[arg-type]  # keywords of a dataclass


@dataclass(frozen=True)
class Scenario:
    """What is simulated, for how long, under which budget; the lag is told from `from_s` on."""

    name: str
    plant: Callable[[], Plant]
    span_s: float
    budget: str = "10s"
    from_s: float = 0.0
    sample_s: float = 0.02
    accident_s: float = 0.0


@dataclass
class Seen:
    """Samples of a run: time, worst true lag, bytes on the way, the smallest window."""

    scenario: Scenario
    budget_s: float
    samples: list[tuple[float, float, float, float]] = field(default_factory=list)
    use: float = 0.0
    worst_lag_s: float = 0.0
    batches: int = 0

    @property
    def lags_s(self) -> list[float]:
        return sorted(lag_s for at_s, lag_s, _, _ in self.samples if at_s >= self.scenario.from_s)

    def quantile_s(self, share: float) -> float:
        lags_s = self.lags_s
        return lags_s[min(len(lags_s) - 1, int(share * len(lags_s)))]

    @property
    def over_s(self) -> float:
        """Seconds over the budget."""
        return sum(lag_s > self.budget_s for lag_s in self.lags_s) * self.scenario.sample_s


def watch(scenario: Scenario, *, kept: int | None = None) -> Seen:
    """Run a scenario; of a long one only the last `kept` batches and events stay in memory."""
    plant = scenario.plant()
    run = Loop(plant, laws(max_lag=scenario.budget), events=deque(maxlen=kept))
    plant.batches, plant.waits = deque(maxlen=kept), deque(maxlen=kept)
    seen = Seen(scenario, run.job.throttle.max_lag_s)
    slowest = min(plant.paths, key=lambda path: path.capacity_bytes(scenario.from_s, scenario.span_s))

    def look() -> None:
        lag_s = max(path.lag_s for path in plant.paths)
        behind = max(path.behind for path in plant.paths)
        seen.samples.append((plant.now_s, lag_s, behind, run.control.throttle_state.wal_budget_bytes))

    plant.watch, plant.watch_s = look, scenario.sample_s
    run.run(scenario.from_s or scenario.sample_s)
    for path in plant.paths:
        path.worst_lag_s = 0.0
    seen.use = run.use(slowest, scenario.span_s)
    seen.worst_lag_s = max(path.worst_lag_s for path in plant.paths)
    return seen


def many(count: int, rate: float, **changed: object) -> list[Path]:
    return [link(rate, name=f"replica-{number}", replay_bytes_s=INFINITE, **changed) for number in range(count)]


HUGE = Work(row_bytes=2_000.0, row_s=1e-6, commit_s=0.001, round_trip_s=0.0005)
CLASSICS = (
    Scenario("start from nothing, 64 MB/s", lambda: Plant(link(64), work=QUICK), 6.0),
    Scenario("steady, 4 MB/s", lambda: Plant(link(4), work=QUICK), 30.0, from_s=3.0),
    Scenario("link 4 to 1 to 4 MB/s", lambda: Plant(link(4, (12.0, 1), (24.0, 4)), work=QUICK), 36.0, "2s", 3.0),
    Scenario("replica frozen for 10 s", lambda: Plant(link(4, frozen=((10.0, 20.0),)), work=QUICK), 36.0, "2s", 3.0),
    Scenario(
        "gone for 15 s, others write 2 MB/s meanwhile",
        lambda: Plant(
            link(4, cut=((10.0, 25.0),)),
            work=Work(row_s=3e-6, foreign=((0.0, 0.0), (10.0, 2.0 * MB), (25.0, 0.0))),
        ),
        50.0,
        from_s=3.0,
    ),
    Scenario(
        "two checkpoints: four times the WAL",
        lambda: Plant(link(4), work=Work(row_s=3e-6, checkpoints=((10.0, 13.0), (20.0, 23.0)))),
        30.0,
        "1s",
        3.0,
    ),
    Scenario(
        "two replicas, 4 and 16 MB/s", lambda: Plant(link(4), link(16, name="replica-b"), work=QUICK), 30.0, "2s", 3.0
    ),
    Scenario(
        "others write 0, 3, 0, 3.6 MB/s of 4",
        lambda: Plant(
            link(4),
            work=Work(row_s=3e-6, foreign=((0.0, 0.0), (10.0, 3.0 * MB), (20.0, 0.0), (30.0, 3.6 * MB))),
        ),
        40.0,
        "2s",
        3.0,
    ),
    Scenario("a thin link, 64 kB/s", lambda: Plant(link(1 / 16), work=QUICK), 60.0, from_s=3.0),
    Scenario("a synchronous standby, 4 MB/s", lambda: Plant(link(4, sync=True), work=QUICK), 30.0, "1s", 3.0),
    Scenario("worker 50 ms away, 4 MB/s", lambda: Plant(link(4), work=Work(round_trip_s=0.05)), 30.0, "2s", 6.0),
    Scenario("100 replicas, 1 GB/s", lambda: Plant(*many(100, 1024), work=HUGE), 8.0, from_s=3.0),
)


def day() -> Plant:
    """Return 24 hours: load from 8 to 20 o'clock, a checkpoint each 5 minutes, half an hour frozen at 3 o'clock."""
    hour = 3_600.0
    work = Work(
        round_trip_s=0.05,
        foreign=((0.0, 0.2 * MB), (8 * hour, 2.5 * MB), (12 * hour, 3.2 * MB), (14 * hour, 2.0 * MB), (20 * hour, 0.0)),
        checkpoints=tuple((at * 300.0, at * 300.0 + 20.0) for at in range(1, 288)),
    )
    return Plant(link(4, frozen=((3 * hour, 3.5 * hour),)), work=work)


PLANS = (
    Scenario("100 replicas at 1 GB/s, 10 min", lambda: Plant(*many(100, 1024), work=HUGE), 600.0, "1s", 5.0, 0.1),
    Scenario("one replica, 24 h", day, DAY_S, "2s", 60.0, 0.5),
)
