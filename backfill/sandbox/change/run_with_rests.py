"""A run that is paused now and then, so that the application has calm spells between those in which we work."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum, auto

import anyio

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.events.throttle import WaitStarted
from backfill.postgres.state.ask import ask
from backfill.postgres.state.request import Asked
from backfill.sandbox.change.latency import Spell
from backfill.sandbox.command import command, read_events
from backfill.throttle.conditions.operator_request import RequestAction
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import BackfillError, JobError

SPELL_S = 1.0
PAUSE_MAX_S = 10.0
"""A pause that did not begin, because the run was at its end, ends by itself."""
_TICK_S = 0.05


class _Turn(Enum):
    """What the worker does, as far as its events say."""

    BEGINNING = auto()
    WORKING = auto()
    PAUSING = auto()
    PAUSED = auto()
    RESUMING = auto()


class RunWithRests:
    """One `backfill run`, and the spells that it made."""

    def __init__(self, dsn: str, job: str, path: str, record: Callable[[Event], None], *, spell_s: float) -> None:
        self.spells: list[Spell] = []
        self.finished: Finished | None = None
        self._dsn, self._job, self._path, self._record = dsn, job, path, record
        self._turn, self._since_s, self._spell_s = _Turn.BEGINNING, 0.0, spell_s

    def play(self) -> None:
        """Run the job to its end."""
        with command(self._dsn, "run", self._path, "--json", "--http", "off") as worker:
            for event in _with_ticks(read_events(worker)):
                self._follow(event)
                if event is not None and not (isinstance(event, WaitStarted) and event.reason.kind is WaitKind.PAUSED):
                    self._record(event)
        if self.finished is None or self.finished.state != "done":
            raise BackfillError(f"the run of job {self._job!r} did not end well: {self.finished}")

    def _follow(self, event: Event | None) -> None:
        """Take in what the worker does, and ask it to pause or to resume when a spell was long enough."""
        long = time.monotonic() - self._since_s >= self._spell_s
        match self._turn, event:
            case _, Finished():
                self.finished = event
                self._ends(_Turn.BEGINNING, calm=False)
            case ((_Turn.BEGINNING | _Turn.RESUMING), BatchDone()):
                self._begins(_Turn.WORKING)
            case _Turn.WORKING, BatchDone() if long:
                self._ends(_Turn.PAUSING, calm=False)
                self._ask(RequestAction.PAUSE)
            case _Turn.PAUSING, WaitStarted(reason=reason) if reason.kind is WaitKind.PAUSED:
                self._begins(_Turn.PAUSED)
            case _Turn.PAUSED, _ if long:
                self._ends(_Turn.RESUMING, calm=True)
                self._ask(RequestAction.RESUME)
            case _:
                pass

    def _begins(self, turn: _Turn) -> None:
        self._turn, self._since_s = turn, time.monotonic()

    def _ends(self, turn: _Turn, *, calm: bool) -> None:
        if self._turn in (_Turn.WORKING, _Turn.PAUSED):
            self.spells.append(Spell(self._since_s, time.monotonic(), calm))
        self._begins(turn)

    def _ask(self, action: RequestAction) -> None:
        asked = Asked(for_s=PAUSE_MAX_S if action is RequestAction.PAUSE else None, reason="to compare")
        with suppress(JobError):  # it has ended meanwhile
            anyio.run(ask, self._dsn, self._job, action, asked)


def _with_ticks(events: Iterator[Event]) -> Iterator[Event | None]:
    """Yield the events, and None whenever none came for a moment."""
    arrived: queue.Queue[Event | None] = queue.Queue()

    def read() -> None:
        try:
            for event in events:
                arrived.put(event)
        finally:
            arrived.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while reader.is_alive() or not arrived.empty():
        try:
            yield arrived.get(timeout=_TICK_S)
        except queue.Empty:
            yield None
