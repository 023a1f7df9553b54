"""What replicas feel behind a narrow link: `python -m bench.link --rate 4MB/s`, and `--rate 24MB/s --step 4MB/s`.

A primary and two standbys, replica-b behind a link of `--rate`, narrowed to `--step` at a quarter of the work. A
checkpoint goes before, so that the first touch of a page costs its full-page image. Lag is that of replica-b, by an
LSN clock of the benchmark's own (`bench.watch`), never the worker's word. Link use is what the link carried of what
it could. All of it is measured from the beginning of the work (the slow start is in it) or from the step on, until
replica-b has replayed the last batch.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from backfill.events.batch import BatchDone
from backfill.events.job import Started
from backfill.events.throttle import SignalsRead
from backfill.sandbox import Link, Sandbox, Server
from backfill.values.units import format_rate, parse_duration, parse_rate
from bench.chart import Panel, draw
from bench.rivals import RIVALS
from bench.watch import Sample, Watch, lags
from bench.workload import job_file, make_users, run, wait_replayed

OURS = "backfill"
COLUMNS = f"{'':22}{'use':>7}{'lag median':>12}{'p99':>8}{'max':>8}{'rows/s':>9}{'WAL B/row':>11}"


@dataclass(slots=True)
class Trace:
    """One run: samples from outside, rows as they were committed, the worker's window, when the link was narrowed."""

    samples: list[Sample] = field(default_factory=list)
    rows: list[tuple[float, int]] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    began_s: float = 0.0
    ended_s: float = 0.0
    stepped_s: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a phase of one run."""

    name: str
    use: float
    lag_median_s: float
    lag_p99_s: float
    lag_max_s: float
    rows_s: float
    wal_bytes_row: float

    def __str__(self) -> str:
        return (
            f"{self.name:22}{self.use:>7.2f}{self.lag_median_s:>10.2f} s{self.lag_p99_s:>6.2f} s"
            f"{self.lag_max_s:>6.2f} s{self.rows_s:>9,.0f}{self.wal_bytes_row:>11.0f}"
        )


@dataclass(frozen=True, slots=True)
class Course:
    """What is done to the link, and by whom the table is filled."""

    rows: int
    rate_bytes_s: int
    step_bytes_s: int | None
    budget: str
    max_wal_rate: str
    synchronous_commit: str
    warm: bool

    def play(self, name: str) -> Trace:
        """Fill a fresh table on a fresh cluster; return what was seen until replica-b had everything."""
        with Sandbox() as sandbox:
            primary = sandbox.primary(settings={"max_wal_size": "8GB", "autovacuum": "off"})
            link = sandbox.link(primary)
            sandbox.standby("replica-a", primary)
            sandbox.standby("replica-b", primary, link=link)
            make_users(primary, self.rows)
            if not self.warm:
                primary.query("CHECKPOINT")
                wait_replayed(primary)
            link.limit(self.rate_bytes_s)
            trace = Trace(began_s=time.monotonic())
            with Watch(primary, link) as watch:
                for at_s, rows in self._ours(primary, trace) if name == OURS else self._theirs(primary, name):
                    trace.rows.append((at_s, rows))
                    self._step(trace, link, at_s)
                    trace.ended_s = at_s
                wait_replayed(primary)
            trace.samples = watch.samples
        trace.ended_s = _replayed_s(trace)
        return trace

    def _ours(self, primary: Server, trace: Trace) -> Iterator[tuple[float, int]]:
        with job_file(
            max_lag=self.budget, max_wal_rate=self.max_wal_rate, synchronous_commit=self.synchronous_commit
        ) as job:
            for at_s, event in run(primary, job):
                match event:
                    case Started():
                        trace.began_s = at_s
                    case SignalsRead():
                        trace.windows.append((at_s, event.wal_budget_bytes))
                    case BatchDone():
                        yield at_s, event.rows
                    case _:
                        pass

    def _theirs(self, primary: Server, name: str) -> Iterator[tuple[float, int]]:
        for rows in RIVALS[name](primary):
            yield time.monotonic(), rows

    def _step(self, trace: Trace, link: Link, at_s: float) -> None:
        done = sum(rows for _, rows in trace.rows)
        if self.step_bytes_s is not None and trace.stepped_s is None and done >= self.rows / 4:
            link.limit(self.step_bytes_s)
            trace.stepped_s = at_s

    def phases(self, name: str, trace: Trace) -> Iterator[Row]:
        """Yield the table's lines: the whole run, or what was before the step and what after."""
        if trace.stepped_s is None or self.step_bytes_s is None:
            yield _measure(name, trace, (trace.began_s, trace.ended_s), self.rate_bytes_s)
            return
        before, after = format_rate(self.rate_bytes_s), format_rate(self.step_bytes_s)
        yield _measure(f"{name}, {before}", trace, (trace.began_s, trace.stepped_s), self.rate_bytes_s)
        yield _measure(f"{name}, {after}", trace, (trace.stepped_s, trace.ended_s), self.step_bytes_s)


def _replayed_s(trace: Trace) -> float:
    """Return when replica-b had everything that was written up to the last commit."""
    last = max(one.insert_lsn for one in trace.samples if one.at_s <= trace.ended_s)
    found = (one.at_s for one in trace.samples if one.replay_lsn.get("replica-b", 0) >= last)
    return max(trace.ended_s, next(found))


def _measure(name: str, trace: Trace, span: tuple[float, float], rate_bytes_s: int) -> Row:
    begin_s, end_s = span
    inside = [one for one in trace.samples if begin_s <= one.at_s <= end_s]
    lag = [lag_s for at_s, lag_s in lags(trace.samples, "replica-b") if begin_s <= at_s <= end_s]
    if len(lag) < 2:
        raise SystemExit(f"{name}: over too soon to be measured; give more --rows")
    first, last = inside[0], inside[-1]
    span_s = last.at_s - first.at_s
    rows = sum(count for at_s, count in trace.rows if begin_s < at_s <= end_s)
    return Row(
        name=name,
        use=(last.carried_bytes - first.carried_bytes) / (span_s * rate_bytes_s),
        lag_median_s=median(lag),
        lag_p99_s=quantiles(lag, n=100, method="inclusive")[-1],
        lag_max_s=max(lag),
        rows_s=rows / span_s,
        wal_bytes_row=(last.insert_lsn - first.insert_lsn) / max(1, rows),
    )


def _medians(rows: list[Row]) -> Row:
    values = [[getattr(row, name) for row in rows] for name in Row.__slots__[1:]]
    return Row(rows[0].name, *map(median, values))


def figure(trace: Trace, budget_s: float, step: str) -> str:
    """Return the lag of both replicas, and what was on its way against the window, over the time of one run."""
    began_s = trace.began_s
    lag = {
        name: [(at_s - began_s, lag_s) for at_s, lag_s in lags(trace.samples, name)]
        for name in ("replica-b", "replica-a")
    }
    way = [(one.at_s - began_s, (one.insert_lsn - one.replay_lsn["replica-b"]) / 1024**2) for one in trace.samples]
    window = [(at_s - began_s, size / 1024**2) for at_s, size in trace.windows]
    span_s = trace.ended_s - began_s
    marks = [] if trace.stepped_s is None else [(trace.stepped_s - began_s, f"link narrowed to {step}")]
    panels = [
        Panel("lag", "s", lag, span_s, ("budget (max_lag)", budget_s), marks),
        Panel("WAL", "MB", {"on its way to replica-b": way, "window": window}, span_s, marks=marks),
    ]
    return draw(panels)


def main() -> None:
    """Run each contender `--runs` times and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rate", type=parse_rate, default=parse_rate("4MB/s"), help="of replica-b's link")
    parser.add_argument("--step", type=parse_rate, help="what the link is narrowed to at a quarter of the work")
    parser.add_argument("--budget", default="2s", help="the job's max_lag")
    parser.add_argument("--max-wal-rate", default="1TB/s", help="the job's; as good as unlimited when left out")
    parser.add_argument("--synchronous-commit", default="off", help="the job's")
    parser.add_argument("--warm", action="store_true", help="no checkpoint before: no full-page images")
    parser.add_argument("--runs", type=int, default=1, help="more than one: medians")
    parser.add_argument("--rivals", action="store_true", help="also what people do instead")
    parser.add_argument("--svg", type=Path, help="draw the last run of backfill into this file")
    options = parser.parse_args()
    if options.step and options.rivals:
        parser.error("--step is for backfill alone: one UPDATE has no quarter of its work")
    course = Course(
        rows=options.rows,
        rate_bytes_s=options.rate,
        step_bytes_s=options.step,
        budget=options.budget,
        max_wal_rate=options.max_wal_rate,
        synchronous_commit=options.synchronous_commit,
        warm=options.warm,
    )
    print(
        f"{options.rows:,} rows, {options.runs} runs, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n{COLUMNS}"
    )
    for name in (OURS, *(RIVALS if options.rivals else ())):
        played = []
        for _ in range(options.runs):
            trace = course.play(name)
            played.append(list(course.phases(name, trace)))
        for phase in zip(*played, strict=True):
            print(_medians(list(phase)), flush=True)
        if name == OURS and options.svg:
            step = format_rate(options.step or options.rate)
            options.svg.write_text(figure(trace, parse_duration(options.budget), step), encoding="utf-8")


if __name__ == "__main__":
    main()
