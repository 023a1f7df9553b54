"""Who takes part: `backfill run`, and each rival as its authors set it and as somebody who knows the budget would."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Started
from backfill.events.throttle import SignalsRead
from backfill.sandbox import Server
from bench.rival_throttles import DoublingSleep, Efficiency, FixedSleep, OnOff, RivalThrottle, SoftHard
from bench.rivals import obey
from bench.workload import job_file, run

OURS = "backfill"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Progress:
    """At `at_s` so many rows were committed, or our worker told of its window; the first one says: it begins."""

    at_s: float
    rows: int = 0
    window_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """A law with its numbers; `fill` works on table users for `span_s` and tells of its progress."""

    name: str
    variant: str
    fill: Callable[[Server, float], Generator[Progress, None, None]]

    @property
    def is_rival(self) -> bool:
        """Whether it is neither ours nor nobody."""
        return self.name not in {OURS, NOBODY}

    def __str__(self) -> str:
        return f"{self.name}, {self.variant}" if self.variant else self.name


def nobody() -> Contender:
    """Return one that does nothing: what the application has without a backfill."""

    def fill(_: Server, span_s: float) -> Generator[Progress, None, None]:
        yield Progress(time.monotonic())
        time.sleep(span_s)

    return Contender(NOBODY, "", fill)


def ours(budget_s: float) -> Contender:
    """Return `backfill run` with the budget as `max_lag` and nothing else said."""

    def fill(server: Server, span_s: float) -> Generator[Progress, None, None]:
        until_s = float("inf")
        with job_file(max_lag=f"{budget_s:g}s") as job, closing(run(server, job)) as events:  # closed: SIGTERM
            for at_s, event in events:
                if isinstance(event, Started):
                    until_s = at_s + span_s
                yield from _progress(at_s, event)
                if at_s >= until_s:
                    return

    return Contender(OURS, "", fill)


def _progress(at_s: float, event: Event) -> Iterator[Progress]:
    match event:
        case Started():
            yield Progress(at_s)
        case BatchDone():
            yield Progress(at_s, rows=event.rows)
        case SignalsRead():
            yield Progress(at_s, window_bytes=event.wal_budget_bytes)
        case _:
            pass


def _rival(name: str, variant: str, law: Callable[[], RivalThrottle]) -> Contender:
    def fill(server: Server, span_s: float) -> Generator[Progress, None, None]:
        began_s = time.monotonic()
        yield Progress(began_s)
        for rows in obey(server, law(), began_s + span_s):
            yield Progress(time.monotonic(), rows=rows)

    return Contender(name, variant, fill)


def rivals(budget_s: float) -> list[Contender]:
    """Return every rival as documented and tuned: half the budget as its threshold, batches of 500 rows.

    A documented threshold above the budget is left out: nobody who has that budget would take it. GitLab's interval
    is 2 minutes as documented; with its sub-batches and pauses it comes to the same pace at 2 s. It has no threshold;
    tuned, it has no pauses, and an interval so short that it can learn within a run.
    """
    half_s = budget_s / 2
    documented = [
        (0.0, _rival("sleep", "5,000 rows", lambda: FixedSleep(5000, 0.1))),
        (1.0, _rival("on/off (gh-ost)", "1 s", lambda: OnOff(1000, 1.0))),
        (10.0, _rival("on/off (gh-ost)", "10 s", lambda: OnOff(1000, 10.0))),
        (0.0, _rival("GitLab", "documented", lambda: Efficiency(1000, 2.0, 100, 0.1))),
        (5.0, _rival("laravel-backfill", "documented", lambda: SoftHard(1000, 5.0, 30.0))),
        (10.0, _rival("LHM", "documented", lambda: DoublingSleep(40_000, 10.0))),
    ]
    return [one for threshold_s, one in documented if threshold_s <= budget_s] + [
        _rival("sleep", "tuned", lambda: FixedSleep(500, 0.1)),
        _rival("on/off (gh-ost)", "tuned", lambda: OnOff(500, half_s)),
        _rival("GitLab", "tuned", lambda: Efficiency(500, 0.5, 500, 0.0)),
        _rival("laravel-backfill", "tuned", lambda: SoftHard(500, half_s, budget_s)),
        _rival("LHM", "tuned", lambda: DoublingSleep(500, half_s)),
    ]
