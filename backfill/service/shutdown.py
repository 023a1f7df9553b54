"""When to stop: the first signal lets the batch in flight end, the second cancels it on the server."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

from backfill.values.errors import DatabaseError, Stopped
from backfill.values.exit_codes import ExitCode

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_CODES = {
    signal.SIGTERM: ExitCode.SIGTERM,
    signal.SIGINT: ExitCode.SIGINT,
    signal.SIGPIPE: ExitCode.SIGPIPE,
}


class Shutdown:
    """A request to stop that every sleep notices at once.

    `interrupt` cancels what may be cancelled at any time (the verification read), `cancel` whatever runs; both
    belong to the session that is open now.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.signal: signal.Signals | None = None
        self.interrupt: Callable[[], Awaitable[None]] | None = None
        self.cancel: Callable[[], Awaitable[None]] | None = None
        self._announce = announce
        self._by = ""
        self._event = anyio.Event()

    @property
    def exit_code(self) -> int:
        """Return the shell's code of the signal that came, 0 while none did."""
        return EXIT_CODES[self.signal] if self.signal else 0

    async def listen(self) -> None:
        """Take signals until cancelled."""
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async for number in signals:
                act = self.interrupt if self.signal is None else self.cancel
                self.request(signal.Signals(number))
                if act is not None:
                    with suppress(DatabaseError):  # a session that is gone has nothing left to cancel
                        await act()

    def request(self, number: signal.Signals, detail: str = "") -> None:
        """Stop once the batch in flight has ended; only the first request is told, with its detail."""
        if self.signal is None:
            self.signal = number
            self._by = f"{number.name} ({detail})" if detail else number.name
            self._event.set()
            self._announce(number.name)

    async def sleep(self, delay_s: float) -> None:
        """Sleep; raise Stopped at once when we are to stop."""
        if self.signal is None:
            with anyio.move_on_after(delay_s):
                await self._event.wait()
        if self.signal is not None:
            raise Stopped(f"stopped by {self._by}; the checkpoint stands, run again to go on")
