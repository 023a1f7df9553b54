"""Random plants, and what can be asked of the law before each: the conditions of `test_any_plant`.

A budget can be kept only where the capacity allows it. What is exempt, and nothing else:

- a thin link: what may go before a first byte came back, and a message or two, take `START_BYTES / rate` to arrive
- after a narrowing, what was on its way, at the new rate
- what others write above the capacity, and what is on its way beside it, until that is replayed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from backfill.jobfile.job import Job
from backfill.throttle import batch_size
from backfill.throttle.replica_window import WINDOW_START_BYTES
from tests.factories import job
from tests.sim.loop import WIDE
from tests.sim.path import MB, MESSAGE_BYTES, Path
from tests.sim.plant import Plant, Work
from tests.sim.server import Steps, value_at

BUDGETS = ("1s", "2s", "10s", "60s")
START_BYTES = 2 * WINDOW_START_BYTES + 2 * MESSAGE_BYTES

RATE = st.floats(-4.0, 10.0).map(lambda power: 2**power * MB)
"""64 kB/s to 1 GB/s."""


@st.composite
def works(draw: st.DrawFn, /, **changed: Any) -> Work:
    """Return a primary and a worker 0.3 to 50 ms away from it."""
    values = {
        "row_bytes": draw(st.floats(150.0, 1500.0)),
        "row_s": draw(st.floats(-19.0, -14.0).map(lambda power: 2**power)),
        "commit_s": draw(st.floats(0.0005, 0.01)),
        "flush_s": draw(st.floats(0.0001, 0.005)),
        "round_trip_s": draw(st.sampled_from([0.0003, 0.001, 0.005, 0.05])),
        "noise": 0.15,
        "first_stripe": draw(st.sampled_from([1.0, 1.0, 3.0])),
        "stall_s": draw(st.sampled_from([0.0, 0.0, 0.0, 0.2])),
    }
    return Work(**{**values, **changed})


@st.composite
def paths(draw: st.DrawFn, /, name: str = "replica-a", **changed: Any) -> Path:
    values = {
        "rates": ((0.0, draw(RATE)),),
        "latency_s": draw(st.sampled_from([0.0, 0.001, 0.01, 0.05])),
        "replay_bytes_s": draw(st.floats(1.0, 10.0).map(lambda power: 2**power * MB)),
        "reply_s": draw(st.sampled_from([0.01, 0.02, 0.1])),
        "sync": draw(st.sampled_from([False, False, False, True])),
    }
    return Path(name, **{**values, **changed})


@dataclass(frozen=True)
class Bottleneck:
    """The slowest path of a plant at a moment, and what others leave of it."""

    path: Path
    rate_bytes_s: float
    foreign_bytes_s: float

    @property
    def left_bytes_s(self) -> float:
        return self.rate_bytes_s - self.foreign_bytes_s


def rate_at(path: Path, at_s: float) -> float:
    return min(value_at(path.rates, at_s), path.replay_bytes_s)


def bottleneck(plant: Plant, at_s: float = 0.0) -> Bottleneck:
    path = min(plant.paths, key=lambda one: rate_at(one, at_s))
    return Bottleneck(path, rate_at(path, at_s), value_at(plant.work.foreign, at_s))


def supply_bytes_s(work: Work, law: Job) -> float:
    """Return the WAL that the worker writes where nothing holds it back."""
    size = law.batch
    rows = min(size.max_rows, max(size.min_rows, int(size.target_time_s / work.row_s)))
    return rows * work.row_bytes / (rows * work.row_s + work.commit_s + work.flush_s + 4 * work.round_trip_s)


def target_s(plant: Plant, law: Job) -> float:
    """Return the queue that the strictest of its replicas is to have."""
    return min(batch_size.target_s(law.throttle, sync=path.sync) for path in plant.paths)


def hears_s(plant: Plant) -> float:
    """Return after how long the worker sees what it did: a message, its way and back, a reply, its own round trips."""
    return 5 * plant.work.round_trip_s + max(
        2 * path.latency_s + path.reply_s + MESSAGE_BYTES / rate_at(path, 0.0) for path in plant.paths
    )


def laws(**throttle: Any) -> Job:
    return job(throttle={**WIDE, **throttle})


@st.composite
def steady(draw: st.DrawFn) -> Plant:
    """Return a plant of one to four replicas on which nothing changes; others leave at least half of it."""
    made = tuple(draw(paths(f"replica-{letter}")) for letter in "abcd"[: draw(st.sampled_from([1, 1, 1, 2, 3, 4]))])
    slowest = min(rate_at(path, 0.0) for path in made)
    foreign = ((0.0, draw(st.sampled_from([0.0, 0.0, 0.2, 0.5])) * slowest),)
    return Plant(*made, work=draw(works(foreign=foreign)), seed=draw(st.integers(0, 1000)))


@st.composite
def changing(draw: st.DrawFn) -> Plant:
    """Return a plant whose first link narrows and widens, whose others' load steps, whose rows triple for a while."""
    rate = 2 ** draw(st.floats(-1.0, 6.0)) * MB
    narrowed = rate * draw(st.floats(0.25, 1.0))
    at_s = draw(st.floats(5.0, 8.0))
    steps: Steps = (
        (0.0, rate),
        (at_s, narrowed),
        (at_s + draw(st.floats(2.0, 4.0)), narrowed * draw(st.floats(1.0, 4.0))),
    )
    made = [draw(paths(rates=steps, replay_bytes_s=1024.0 * MB))]
    if draw(st.booleans()):
        made.append(
            draw(paths("replica-b", rates=((0.0, rate * draw(st.floats(1.0, 4.0))),), replay_bytes_s=1024.0 * MB))
        )
    load = [draw(st.sampled_from([0.0, 0.2, 0.5])) * narrowed for _ in range(3)]
    foreign = ((0.0, load[0]), (draw(st.floats(5.0, 7.0)), load[1]), (draw(st.floats(8.0, 9.0)), load[2]))
    checkpoint_s = draw(st.floats(5.0, 9.0))
    changed = {
        "foreign": foreign,
        "checkpoints": ((checkpoint_s, checkpoint_s + draw(st.floats(0.5, 2.0))),),
        "checkpoint_factor": draw(st.sampled_from([1.0, 3.0])),
    }
    return Plant(*made, work=draw(works(**changed)), seed=draw(st.integers(0, 1000)))
