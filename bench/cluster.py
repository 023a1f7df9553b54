"""One cluster for many runs: a primary, a standby behind a narrow link, and later a fast one beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

from backfill.sandbox import Sandbox, Standby
from bench import pgbench
from bench.contenders import Contender
from bench.scenarios import RATE_BYTES_S, Act, Kind, Scenario
from bench.trace import SLOW, Trace
from bench.watch import Watch
from bench.workload import make_users, wait_replayed

FAST = "replica-a"
SETTINGS = {"max_wal_size": "16GB", "checkpoint_timeout": "1d", "autovacuum": "off"}
"""Nobody makes a checkpoint but we."""


class BenchCluster:
    """Plays contenders on the same cluster, each on a table of its own and with everything replayed before."""

    def __init__(self, sandbox: Sandbox, rows: int) -> None:
        self._sandbox, self._rows = sandbox, rows
        self.primary = sandbox.primary(settings=SETTINGS)
        self._link = sandbox.link(self.primary, rate_bytes_s=RATE_BYTES_S)
        self._standbys: dict[str, Standby] = {}
        self._widen(SLOW)

    def play(self, scenario: Scenario, contender: Contender) -> Trace:
        """Let the contender work for the span of the scenario; return what was seen."""
        self._prepare(scenario)
        trace = Trace()
        span_s = scenario.span_s
        with ExitStack() as stack:
            watch = stack.enter_context(Watch(self.primary, self._link))
            filling = stack.enter_context(closing(contender.fill(self.primary, span_s)))
            began_s = next(filling).at_s
            if scenario.with_foreign_writer:
                stack.enter_context(pgbench.foreign_writer(self.primary, span_s))
            if scenario.with_application:
                trace.latencies_s = stack.enter_context(pgbench.application(self.primary, span_s))
            stack.enter_context(_timeline([(began_s + act.at_s, self._doing(act)) for act in scenario.acts]))
            for progress in filling:
                at_s = progress.at_s - began_s
                if progress.rows:
                    trace.rows.append((at_s, progress.rows))
                if progress.window_bytes is not None:
                    trace.windows.append((at_s, progress.window_bytes))
            rest_s = began_s + span_s - time.monotonic()
            if rest_s > 0:
                trace.exhausted_s = span_s - rest_s
                time.sleep(rest_s)
        trace.samples = [one.since(began_s) for one in watch.samples]
        self._drain()
        return trace

    def _prepare(self, scenario: Scenario) -> None:
        """Make the tables anew, with no full-page image due, and everything replayed behind an open link."""
        if scenario.with_fast_replica:
            self._widen(FAST)
        self._link.limit(None)
        self.primary.query("CHECKPOINT")
        for standby in self._standbys.values():
            standby.query("CHECKPOINT")
        pgbench.make_tables(self.primary)
        make_users(self.primary, self._rows)
        self._link.limit(RATE_BYTES_S)

    def _drain(self) -> None:
        """Let the standbys have what a contender left behind, as fast as they can."""
        self._link.limit(None)
        wait_replayed(self.primary)

    def _widen(self, name: str) -> None:
        if name not in self._standbys:
            link = self._link if name == SLOW else None
            self._standbys[name] = self._sandbox.standby(name, self.primary, link=link, settings=SETTINGS)

    def _doing(self, act: Act) -> Callable[[], None]:
        def do() -> None:
            if act.kind is Kind.CHECKPOINT:
                self.primary.query("CHECKPOINT")
            elif act.rate_bytes_s == 0:
                self._link.freeze()
            else:
                self._link.restore()  # thawed at the rate that it was made with, so that nothing slips through
                self._link.limit(act.rate_bytes_s)

        return do


@contextmanager
def _timeline(acts: list[tuple[float, Callable[[], None]]]) -> Iterator[None]:
    """Do each act at its moment of the monotonic clock, in a thread; its error is raised at the end."""

    def follow() -> None:
        for at_s, do in acts:
            time.sleep(max(0.0, at_s - time.monotonic()))
            do()

    with ThreadPoolExecutor(1) as pool:
        followed = pool.submit(follow)
        yield
        followed.result()
