"""A pipeline that the server takes as one message and answers idle: its timers run as soon as it waits for us.

psycopg sends a Flush behind the Sync that ends a pipeline, and each statement as it is executed. PostgreSQL arms
`idle_in_transaction_session_timeout` at the Sync and disarms it at the next message, whatever that is. A worker that is
frozen behind a batch would then hold the batch's locks forever. Between two statements that came alone no timer runs at
all before PostgreSQL 17.
"""

from __future__ import annotations

import psycopg
from psycopg import AsyncPipeline
from psycopg.abc import PQGen


class SyncLastPipeline(AsyncPipeline):
    """Sends all statements at once when it ends, with the Sync last; results can be fetched behind it only."""

    _ending = False

    def _enter_gen(self) -> PQGen[None]:
        """Begin; a pipeline within one only adds to it, where psycopg's own would wait for what was not sent yet."""
        if self.level == 0:
            yield from super()._enter_gen()
        else:
            self.level += 1

    def _communicate_gen(self) -> PQGen[None]:
        if self._ending:
            yield from super()._communicate_gen()

    def _exit_gen(self) -> PQGen[None]:
        """Send everything, wait for every result, and raise the first error: those behind it only say "aborted"."""
        self._ending = True
        self._enqueue_sync()
        first: psycopg.Error | None = None
        for receive in (self._communicate_gen, lambda: self._fetch_gen(flush=False)):
            try:
                yield from receive()
            except psycopg.Error as error:
                first = first or error
        self._ending = False
        if first is not None:
            raise first
