"""A job run on a database in memory, with a clock that only moves when it is spent, and the tables that it fills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.job_run import JobRun
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.throttle import SignalsRead, ThrottleDecision
from backfill.values.errors import (
    StatementRefused,
)
from tests.factories import job
from tests.fake_database import Clock, FakeDatabase, FakeLeaf, Row, users

LOCK_TIMEOUT, STATEMENT_TIMEOUT, DEADLOCK, SERIALIZATION = "55P03", "57014", "40P01", "40001"


class Loop:
    """A worker, its database, its clock and what it told."""

    def __init__(self, database: FakeDatabase, stripes: int | str = 4, **keys: Any) -> None:
        self.database = database
        self.events: list[Any] = []
        runtime = database.clock.runtime(self.events.append)
        rows = {"rows": database.max_rows, "min_rows": 1, "max_rows": database.max_rows}
        self.job = job(batch=rows | {"stripes": stripes}, lanes=database.lanes, **keys)
        maintenance = Maintenance(self.job, runtime)
        control = AdmissionControl(self.job, runtime, maintenance)
        self.worker = JobRun(self.job, database.session(), runtime, control, maintenance)

    def run(self):
        return asyncio.run(self.worker.run())

    def told(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]

    def names(self) -> list[str]:
        """Return what was told, repetitions and readings left out."""
        names = [type(event).__name__ for event in self.events if not isinstance(event, SignalsRead | ThrottleDecision)]
        return [name for index, name in enumerate(names) if index == 0 or name != names[index - 1]]


def made(rows: int = 100, *, max_rows: int = 20, **changed) -> FakeDatabase:
    return FakeDatabase(**{"pages": users(rows), "clock": Clock(), "max_rows": max_rows, **changed})


def refused(sqlstate: str, took_s: float = 0.0) -> StatementRefused:
    return StatementRefused("the server's words", sqlstate, took_s)


TIMED_OUT = refused(STATEMENT_TIMEOUT, 15.0)


def refusing(*ids: int, error: StatementRefused | None = None) -> Callable[[Row], StatementRefused | None]:
    """Return what a table says to rows of these numbers."""
    return lambda row: (error or refused("23514")) if row["id"] in ids else None


def sparse(pages: int, due: dict[int, int], *, page: int = 30) -> list[list[Row | None]]:
    """Return pages of rows that are filled, but for so many at the end of some pages."""
    return [
        [
            {"id": number * page + slot, "username": "u", "handle": None if slot >= page - due.get(number, 0) else "h"}
            for slot in range(page)
        ]
        for number in range(pages)
    ]


def late(database: FakeDatabase) -> Callable[[], None]:
    """Return what another transaction does: a row more, behind the place of any pass that is done."""
    return lambda: database.pages[0].append({"id": 1000, "username": "late", "handle": None})


def parts(*rows: int, **changed) -> FakeDatabase:
    """A table in so many leaves of so many rows; there is no row in the job's own name."""
    number, leaves = 0, {}
    for name, count in enumerate(rows):
        pages = users(count)
        for page in pages:
            for row in page:
                assert row is not None
                row["id"] = number
                number += 1
        leaves[f"public.users_{name}"] = FakeLeaf(pages)
    first = leaves.pop("public.users_0")
    return made(**{"pages": first.pages, "leaf": "public.users_0", "shelf": leaves, **changed})
