"""The history is saved once a minute at most, at the end in any case, and never twice."""

from __future__ import annotations

import asyncio

import pytest

from backfill.engine.admission.history_keeper import SAVE_SPACING_S, HistoryKeeper
from backfill.events.event import Event
from backfill.events.history.span import HistorySpan
from backfill.values.errors import ConnectionLost
from tests import event_factories
from tests.fake_database import Clock


class Session:
    """Keeps what is saved."""

    def __init__(self, *, gone: bool = False) -> None:
        self.spans: list[HistorySpan] = []
        self.gone = gone

    async def save_history(self, span: HistorySpan) -> None:
        if self.gone:
            raise ConnectionLost("gone")
        self.spans.append(span)


def test_an_hour_of_batches_is_sixty_statements_and_every_row_of_it():
    clock, session, told = Clock(), Session(), list[Event]()
    keeper = HistoryKeeper(clock.runtime(told.append))

    async def work() -> None:
        for _ in range(3600):
            keeper.runtime.record(event_factories.batch_done(rows=7))
            clock.now_s += 1
            await keeper.save(session)
        await keeper.save(session, ended=True)

    asyncio.run(work())
    assert len(told) == 3600
    assert len(session.spans) <= 3600 / SAVE_SPACING_S + 1
    assert sum(span.rows for span in session.spans) == 7 * 3600


def test_a_run_that_did_nothing_saves_nothing_and_a_short_one_its_end():
    clock, session = Clock(), Session()
    keeper = HistoryKeeper(clock.runtime(lambda event: None))
    asyncio.run(keeper.save(session, ended=True))
    assert session.spans == []
    keeper.runtime.record(event_factories.batch_done(rows=7))
    asyncio.run(keeper.save(session))
    assert session.spans == []
    asyncio.run(keeper.save(session, ended=True))
    asyncio.run(keeper.save(session, ended=True))
    assert [span.rows for span in session.spans] == [7]


def test_a_minute_whose_statement_fails_is_not_counted_twice():
    clock = Clock()
    keeper = HistoryKeeper(clock.runtime(lambda event: None))
    keeper.runtime.record(event_factories.batch_done(rows=7))
    with pytest.raises(ConnectionLost):
        asyncio.run(keeper.save(Session(gone=True), ended=True))
    session = Session()
    keeper.runtime.record(event_factories.batch_done(rows=5))
    asyncio.run(keeper.save(session, ended=True))
    assert [span.rows for span in session.spans] == [5]
