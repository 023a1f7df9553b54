"""The gate at work: read, decide, report every few seconds, until it opens or its time is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import anyio

from backfill.change.gate import GateState, GateVerdict, decide
from backfill.change.gate_values import GateReading, GateTerms, merged_limits
from backfill.jobfile.limits import ThrottleLimits
from backfill.postgres.monitor.gate_reader import GateStart
from backfill.retry.sqlstate import backoff_s
from backfill.values.errors import ConnectionLost, GateClosed, StatementRefused
from backfill.values.units import format_duration

READ_EVERY_S = 0.25
REPORT_EVERY_S = 3.0
ANSWER_S = 3.5
"""A reading that takes longer says nothing: each of its questions has 3 s, and ending one may take a while, too."""
GLANCE_S = 1.0
"""A reading that the gate's own end cuts shorter than this says nothing of the server: the last reasons hold."""
FIRST_ATTEMPTS = 4
"""Attempts to reach the server for the first time: a wrong DSN is reported soon, a restart is survived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
    """What was asked for on the command line; `file_limits` are those of jobs whose files were given."""

    terms: GateTerms
    timeout_s: float
    require: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    min_count: int = 0
    replicas: tuple[str, ...] = ()
    file_limits: tuple[tuple[str, ThrottleLimits], ...] = ()


@dataclass(frozen=True, slots=True)
class GateProgress:
    """How the gate stands after `waited_s`."""

    waited_s: float
    verdict: GateVerdict


class Reader(Protocol):
    """Who reads for a gate: `postgres.monitor.gate_reader`."""

    async def start(self) -> GateStart:
        """Connect, and return what the jobs know."""

    def ask_directly(self, conninfos: Sequence[str]) -> None:
        """Ask these standbys, too."""

    async def read(self) -> GateReading:
        """Read all servers; what cannot be read is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRuntime:
    """Time of a monotonic clock, jitter in [0, 1], a sleep that raises Stopped when asked, and who reports."""

    now_s: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]
    report: Callable[[GateProgress], None]
    report_every_s: float = REPORT_EVERY_S


class GateWatch:
    """One gate from its first reading to its verdict."""

    def __init__(self, request: GateRequest, reader: Reader, runtime: GateRuntime) -> None:
        self._request = request
        self._reader = reader
        self._runtime = runtime
        self._began_s = runtime.now_s()
        self._verdict = GateVerdict(("no session: not connected yet",))

    async def run(self) -> None:
        """Return when the gate opens; raise GateClosed when its time is over."""
        terms = self._terms(await self._start())
        state, reported_s = GateState(), float("-inf")
        while self._left_s > 0:
            reading = await self._read()
            if reading is None:
                break
            self._verdict, state = decide(terms, state, reading)
            if self._verdict.is_open:
                self._report()
                return
            if self._waited_s - reported_s >= self._runtime.report_every_s:
                reported_s = self._waited_s
                self._report()
            await self._runtime.sleep(max(0.0, min(READ_EVERY_S, self._left_s)))
        raise self._closed()

    async def _read(self) -> GateReading | None:
        """Read all servers; one that does not answer does not hold up the gate's end. None if that came at once."""
        bound_s = min(self._left_s, ANSWER_S)
        with anyio.move_on_after(bound_s):
            return await self._reader.read()
        if bound_s < GLANCE_S:
            return None
        return GateReading(at_s=self._runtime.now_s(), why=f"no answer within {format_duration(bound_s)}")

    async def _start(self) -> GateStart:
        """Connect; a server that cannot be reached for the first time is tried again a few times."""
        attempt = 1
        while True:
            try:
                return await self._reader.start()
            except (ConnectionLost, StatementRefused) as error:
                if attempt == FIRST_ATTEMPTS:
                    raise
                self._verdict = GateVerdict((f"no session: {next(iter(str(error).splitlines()), '')}",))
                self._report()
                await self._runtime.sleep(backoff_s(attempt, self._runtime.jitter()))
                attempt += 1

    def _terms(self, start: GateStart) -> GateTerms:
        """Return the terms with the limits of the jobs: those of a file hold before those of its last run."""
        request = self._request
        limits = merged_limits(
            (start.limits | dict(request.file_limits)).values(),
            require=request.require,
            ignore=request.ignore,
            min_count=request.min_count,
        )
        self._reader.ask_directly(tuple(dict.fromkeys((*limits.replicas.direct, *request.replicas))))
        return replace(request.terms, limits=limits, seen=start.seen)

    @property
    def _waited_s(self) -> float:
        return self._runtime.now_s() - self._began_s

    @property
    def _left_s(self) -> float:
        return self._request.timeout_s - self._waited_s

    def _report(self) -> None:
        self._runtime.report(GateProgress(self._waited_s, self._verdict))

    def _closed(self) -> GateClosed:
        reasons = "; ".join(self._verdict.reasons)
        return GateClosed(f"gate closed after {format_duration(self._request.timeout_s)}: {reasons}")
