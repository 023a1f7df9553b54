"""Proves how a gate waits: it reports every few seconds, opens at once, ends at its time, and gives up a wrong DSN soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from backfill.change.gate_values import GateReading, GateTerms, PrimaryPosition
from backfill.postgres.monitor.gate_reader import GateStart
from backfill.service.gate import FIRST_ATTEMPTS, GateProgress, GateRequest, GateRuntime, GateWatch
from backfill.values.errors import ConnectionLost, GateClosed, Stopped
from tests.factories import limits, replica, signals


@dataclass
class Servers:
    """Servers in memory, and the time that passes while they are asked."""

    replay_lsn: Callable[[float], int | None]
    failures: list[Exception] = field(default_factory=list)
    start_limits: dict[str, Any] = field(default_factory=dict)
    stop_at_s: float = float("inf")
    now_s: float = 0.0
    attempts: int = 0
    direct: tuple[str, ...] = ()
    silent_from_s: float = float("inf")

    async def start(self) -> GateStart:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        return GateStart(self.start_limits, ())

    def ask_directly(self, conninfos: Sequence[str]) -> None:
        self.direct = tuple(conninfos)

    async def read(self) -> GateReading:
        if self.now_s >= self.silent_from_s:
            await asyncio.Event().wait()
        lsn = self.replay_lsn(self.now_s)
        seen = signals(self.now_s, 100, replica("replica-a", lsn))
        return GateReading(at_s=self.now_s, signals=seen, primary=PrimaryPosition(1, 1))

    async def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s
        if self.now_s >= self.stop_at_s:
            raise Stopped("stopped by SIGTERM", 143)


def watch(servers: Servers, timeout_s: float = 60.0, **request: Any) -> list[GateProgress]:
    progress: list[GateProgress] = []
    runtime = GateRuntime(now_s=lambda: servers.now_s, sleep=servers.sleep, jitter=lambda: 0.0, report=progress.append)
    terms = GateTerms(max_lag_s=1.0, calm_s=5.0)
    gate = GateWatch(GateRequest(terms=terms, timeout_s=timeout_s, **request), servers, runtime)
    asyncio.run(gate.run())
    return progress


def test_it_reports_every_three_seconds_and_opens_at_once():
    progress = watch(Servers(lambda now_s: 100 if now_s >= 7 else 0))
    assert [one.verdict.is_open for one in progress] == [False, False, False, True]
    assert [round(one.waited_s) for one in progress] == [0, 3, 6, 7]


def test_it_ends_at_its_time_with_the_last_reasons():
    servers = Servers(lambda _: 0)
    with pytest.raises(GateClosed, match="gate closed after 10s: replica-a replay 0/0 < 0/64, lag "):
        watch(servers, timeout_s=10)
    assert servers.now_s == 10
    assert GateClosed.exit_code == 75


def test_a_reading_that_its_end_cuts_short_hides_no_reason():
    servers = Servers(lambda _: 0, silent_from_s=9.75)
    with pytest.raises(GateClosed, match=r"gate closed after 9\.8s: replica-a replay 0/0 < 0/64, lag "):
        watch(servers, timeout_s=9.76)


def test_a_server_that_cannot_be_reached_is_tried_a_few_times():
    servers = Servers(lambda _: 100, failures=[ConnectionLost("connection refused")] * (FIRST_ATTEMPTS - 1))
    progress = watch(servers)
    assert servers.attempts == FIRST_ATTEMPTS
    assert [one.verdict.reasons for one in progress] == [("no session: connection refused",)] * 3 + [()]
    servers = Servers(lambda _: 100, failures=[ConnectionLost("connection refused")] * FIRST_ATTEMPTS)
    with pytest.raises(ConnectionLost):
        watch(servers)


def test_a_signal_ends_it():
    with pytest.raises(Stopped):
        watch(Servers(lambda _: 0, stop_at_s=5))


def test_limits_of_a_file_hold_before_those_of_the_last_run():
    servers = Servers(lambda _: 0, start_limits={"a": limits(replicas={"require": ["gone"]})})
    ignoring = limits(replicas={"ignore": ["replica-a"], "direct": ["host=x"]})
    [opened] = watch(servers, file_limits=(("a", ignoring),), replicas=("host=y",))
    assert (opened.verdict.is_open, opened.verdict.replicas) == (True, ())
    assert servers.direct == ("host=x", "host=y")
