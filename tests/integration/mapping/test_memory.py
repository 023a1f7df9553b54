"""A row function with long values: what is on its way to it, and what is kept of it, is bounded by bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from backfill.events.batch import BatchDone
from backfill.postgres.mapping import row_mapper
from tests.fixtures_postgres import Database
from tests.integration.jobs import run, run_sql
from tests.integration.mapping.function_jobs import job_of, touched

pytestmark = pytest.mark.anyio

KB = 1 << 10


async def test_a_function_gets_no_more_bytes_at_once_than_allowed_and_each_row_once(
    users: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Every tenth row is long; one is longer than a call may be, and comes alone."""
    monkeypatch.setattr(row_mapper, "CALL_BYTES", 64 * KB)
    monkeypatch.setattr(row_mapper, "KEPT_BYTES", 128 * KB)
    monkeypatch.setattr(row_mapper, "ROWS_FIRST", 10_000)
    run_sql(
        users,
        "alter table users add doc jsonb",
        "update users set username = repeat('x', 12 * 1024) || id where id % 10 = 0",
        "update users set doc = jsonb_build_object('text', repeat('y', 100 * 1024)) where id = 555",
        "vacuum full users",
    )
    touched(users)
    calls = tmp_path / "calls"
    module = (
        "def f(rows):\n"
        "    size = sum(len(str(value)) for row in rows for value in row.values())\n"
        f"    open({str(calls)!r}, 'a').write('%d %d\\n' % (len(rows), size))\n"
        "    return [row['username'].upper() for row in rows]\n"
    )
    finished, events = await run(users.worker_dsn, job_of(tmp_path, module, inputs=["username", "doc"]))
    assert finished.state == "done"
    assert users.query("select count(*) from users where handle is distinct from upper(username)") == [(0,)]
    assert users.query("select count(*), count(distinct id) from touched") == [(1000, 1000)]
    given = [tuple(map(int, line.split())) for line in calls.read_text().splitlines()]
    assert sum(rows for rows, _ in given) == 1000, "no row is mapped twice"
    assert all(size <= 64 * KB or rows == 1 for rows, size in given)
    assert max(size for _, size in given) > 100 * KB
    assert len([event for event in events if isinstance(event, BatchDone)]) >= 1000 * 1.2 * KB / (128 * KB + 64 * KB)
