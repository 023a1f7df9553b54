"""The live view: events in, a frame that the terminal shows a few times a second.

Events are folded where they happen. A thread draws, and only ever sees whole states. On exit, however it happens, the
terminal is restored and the last frame remains.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live as Screen

from backfill.events.event import Event
from backfill.observe.notices import Notice, Severity
from backfill.observe.terminal.glyphs import glyphs_for
from backfill.observe.terminal.layout import render
from backfill.observe.terminal.reduce import add_note, reduce
from backfill.observe.terminal.state import TerminalState

REFRESHES_PER_S = 8


class Live:
    """A context manager around the terminal; `record` and `note` are cheap."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._view = TerminalState(began_s=clock())
        self._glyphs = glyphs_for(console.encoding)
        self._screen = Screen(
            console=console, refresh_per_second=REFRESHES_PER_S, get_renderable=self.frame, auto_refresh=True
        )

    def __enter__(self) -> Self:
        self._screen.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.stop()

    def record(self, event: Event) -> None:
        """Take in one event as of now."""
        self._view = reduce(self._view, event, self._clock())

    def note(self, text: str, tone: Severity = Severity.CALM) -> None:
        """Report something that is not an event of the worker."""
        self._view = add_note(self._view, Notice(text, tone), self._clock())

    def frame(self) -> Group:
        """Return the frame of this moment."""
        size = self._console.size
        return render(self._view, self._clock(), size.width, size.height, self._glyphs)
