"""Rows of a leaf that are set aside, tried again one by one: they may have been mended meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from backfill.attempts import Attempts
from backfill.core.batch import Filled, Order, Rejected
from backfill.core.events import RowRetried
from backfill.core.retry import Remedy
from backfill.core.scan import Scan, Tid
from backfill.core.scout import Cut
from backfill.errors import Refused
from backfill.gate import Gate
from backfill.ports import Session

T = TypeVar("T")


class Again:
    """One row after the other, each through the gate, in a transaction of its own that also sets it aside no more."""

    def __init__(self, session: Session, gate: Gate, attempts: Attempts) -> None:
        self._session = session
        self._gate = gate
        self._attempts = attempts

    async def try_all(self, leaf: str, scan: Scan) -> Scan:
        """Try all rows of the leaf that are set aside; return the place, which stays where it is, with its fence."""
        for row in await self._attempts.until_done(self._session.read_rejected):
            scan = await self._try(leaf, scan, row)
        return scan

    async def _try(self, leaf: str, scan: Scan, row: Rejected) -> Scan:
        session, result, message, around = self._session, "gone", "", self._gate.around
        try:
            tid = await self._bounded(lambda: session.find_rejected(row))
            if tid is None:
                await self._attempts.until_done(lambda: session.forget_rejected(scan, row))
            else:
                filled = await self._bounded(lambda: self._fill(scan, row, tid))
                scan, result = filled.scan, "filled" if filled.rows else "gone"
        except _RefusedAgain as again:
            result, message, error = "refused", str(again.error), again.error
            kept = replace(row, pass_number=scan.pass_number, message=message)
            await self._attempts.until_done(lambda: session.keep_rejected(scan, kept, error))
        around.record(RowRetried(self._gate.job.name, leaf, row.key, result, message))
        await around.sleep(0)
        return scan

    async def _bounded(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step on one row, again where that may help; raises _RefusedAgain where the row is to blame."""
        timeouts = 0

        async def once() -> T:
            nonlocal timeouts
            try:
                return await step()
            except Refused as error:
                wanted = self._attempts.remedy(error)
                timeouts += wanted is Remedy.SPLIT
                if wanted is Remedy.ROW or self._attempts.remedy(error, timeouts + 1) is Remedy.ROW:
                    raise _RefusedAgain(error) from None
                raise

        return await self._attempts.until_done(once)

    async def _fill(self, scan: Scan, row: Rejected, tid: Tid) -> Filled:
        admission = await self._gate.admit(self._session, scan)
        order = Order(scan, Cut(Tid(tid.page, tid.offset + 1), 1, tids=(tid,)), admission, again=row)
        try:
            filled = await self._session.run_batch(order, lambda position: self._gate.charge(scan.lane, position))
        finally:
            self._gate.release(scan.lane)
        assert isinstance(filled, Filled), "one row is never too many"
        self._gate.learn(filled, scan.stripe)
        self._attempts.failures = 0
        return filled


class _RefusedAgain(Exception):
    """A row is refused, or takes too long every time."""

    def __init__(self, error: Refused) -> None:
        super().__init__(str(error))
        self.error = error
