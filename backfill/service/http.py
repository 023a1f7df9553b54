"""Metrics, probes and status, served while jobs run."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Awaitable, Callable

import anyio

from backfill.events.event import Event
from backfill.values.errors import JobError

SILENCE_MAX_S = 60.0
"""An unfinished job records an event every second or so, except while a statement runs."""


class HttpService:
    """The HTTP server of a process. Its readers of events join the others; without an address it does nothing.

    A `required` address that cannot be bound is an error; the default one is only reported.
    """

    def __init__(
        self,
        address: tuple[str, int] | None,
        readers: list[Callable[[Event, float], None]],
        listening: Callable[[tuple[str, int]], None],
        *,
        required: bool,
    ) -> None:
        self._address = address
        self._required = required
        self._listening = listening
        self._readers = readers
        self._decided = anyio.Event()

    async def serve(self) -> None:
        """Serve until cancelled."""
        if self._address is None:
            self._decided.set()
            return
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - these cost a process its start

        from backfill.observe.http import server, web  # noqa: PLC0415
        from backfill.observe.job_statuses import JobStatuses  # noqa: PLC0415
        from backfill.observe.metrics import counters  # noqa: PLC0415

        registry, statuses = CollectorRegistry(), JobStatuses()
        self._readers.extend([counters.MetricsSink(registry).record, statuses.record])
        app = web.build_app(
            statuses,
            registry,
            clock=time.monotonic,
            silence_max_s=SILENCE_MAX_S,
            own_names=frozenset({socket.gethostname().lower(), self._address[0].lower()}),
        )
        try:
            await server.serve(app, *self._address, started=self._started)
        except OSError as error:
            if self._required:
                raise JobError(str(error)) from error
            sys.stderr.write(f"backfill: continuing without metrics: {error}\n")
            self._decided.set()

    def before(self, main: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
        """Return `main`, delayed until the address is bound or known to be unavailable: nothing is touched earlier."""

        async def run() -> int:
            await self._decided.wait()
            return await main()

        return run

    def _started(self, address: tuple[str, int]) -> None:
        self._listening(address)
        self._decided.set()
