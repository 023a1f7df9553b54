"""Shutdown on signals: the first lets the batch in flight finish, the second cancels it on the server.

A daemon may also end one run, and go on with another.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import anyio

from backfill.values.errors import DatabaseError, Stopped
from backfill.values.exit_codes import ExitCode

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_CODES = {
    signal.SIGHUP: ExitCode.SIGHUP,
    signal.SIGTERM: ExitCode.SIGTERM,
    signal.SIGINT: ExitCode.SIGINT,
    signal.SIGPIPE: ExitCode.SIGPIPE,
}


class Cancellable(Protocol):
    """Work that a signal ends: the session that is open now, or the attempt to open one."""

    async def interrupt(self) -> None:
        """Cancel what may be cancelled at any time, such as the verification read."""

    async def cancel(self) -> None:
        """Cancel whatever runs."""


class Shutdown:
    """A request to stop that every sleep notices at once; signals also cancel what `cancels` names."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.signal: signal.Signals | None = None
        self._work: Cancellable | None = None
        self._announce = announce
        self._by = ""
        self.run_ends = ""
        self._event = anyio.Event()

    @property
    def exit_code(self) -> int:
        """Return the shell's code of the signal that came, 0 while there was none."""
        return EXIT_CODES[self.signal] if self.signal else 0

    @contextmanager
    def cancels(self, work: Cancellable) -> Iterator[None]:
        """Let signals interrupt or cancel this work while the block runs."""
        outer, self._work = self._work, work
        try:
            yield
        finally:
            self._work = outer

    async def listen(self) -> None:
        """Handle signals until cancelled, but not one that whoever started us ignores, as nohup does with SIGHUP."""
        handled = (number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN)
        with anyio.open_signal_receiver(*handled) as signals:
            async for number in signals:
                first, work = self.signal is None, self._work
                self.request(signal.Signals(number))
                if work is not None:
                    with suppress(DatabaseError):  # a session that is gone has nothing left to cancel
                        await (work.interrupt() if first else work.cancel())

    def request(self, number: signal.Signals, detail: str = "") -> None:
        """Stop once the batch in flight has ended; only the first request is announced, with its detail."""
        if self.signal is None:
            self.signal = number
            self._by = f"{number.name} ({detail})" if detail else number.name
            self._event.set()
            self._announce(number.name)

    def end_run(self, why: str) -> None:
        """End the run that is at work as a signal does, and not the process."""
        if self.signal is None and not self.run_ends:
            self.run_ends = why
            self._event.set()

    def run_ended(self) -> None:
        """Begin anew with the next run."""
        if self.signal is None and self.run_ends:
            self.run_ends, self._event = "", anyio.Event()

    async def sleep(self, delay_s: float) -> None:
        """Sleep; raise Stopped at once when we are to stop."""
        if self.signal is None and not self.run_ends:
            with anyio.move_on_after(delay_s):
                await self._event.wait()
        if self.signal is not None:
            raise Stopped(f"stopped by {self._by}; the checkpoint stands, run again to go on", self.exit_code)
        if self.run_ends:
            raise Stopped(f"stopped: {self.run_ends}", ExitCode.SIGTERM)
