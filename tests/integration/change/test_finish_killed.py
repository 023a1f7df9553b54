"""SIGKILL behind each statement of `finish`: run again, it comes to the same end, and nothing is left behind.

A few, drawn from a seed, are played in `make test`; `make finish-kills` plays all of them.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from backfill.sandbox import Server
from tests.fixtures_postgres import Database
from tests.integration.change.finishing import HANDLE_KEY, PARTITIONED, PLAIN, catalog, fill, make_table
from tests.integration.jobs import create_database, drop_database, job_file

PARTS_KEY = {"columns": ["id", "handle"], "unique": True, "name": "users_id_handle_key", "constraint": True}
ENDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "plain": (PLAIN, {"not_null": ["handle"], "indexes": [HANDLE_KEY, {"columns": ["id"], "where": "id > 9"}]}),
    "partitioned": (PARTITIONED, {"not_null": ["handle"], "indexes": [PARTS_KEY]}),
}
EVERY = bool(os.environ.get("FINISH_KILLS"))
pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18), pytest.mark.timeout(7200 if EVERY else 1200)]
KILLS = 1
"""Of each table and major."""


@pytest.fixture(params=ENDS)
async def done(request: pytest.FixtureRequest, bare: Server) -> Any:
    """A database whose job is done, to be copied for each kill."""
    statements, ends = ENDS[request.param]
    database = create_database(bare)
    make_table(database, *statements)
    await fill(database, job_file(finish=ends, sync="trigger"))
    assert [row for row in catalog(database) if row[0] == "trigger"]
    yield database, ends
    drop_database(database)


@contextmanager
def copied(database: Database) -> Iterator[Database]:
    """Give a copy of the database."""
    name = f"copy_{secrets.token_hex(6)}"
    with psycopg.connect(database.primary.dsn, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database.name])
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(database.name))
        )
        try:
            yield replace(database, name=name)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def finish(database: Database, job: Path, last: int = 0) -> subprocess.CompletedProcess[str]:
    """Finish in a process of its own, which kills itself behind a statement."""
    command = [sys.executable, "-m", "tests.integration.change.killed_finish", database.dsn, str(job), str(last)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


async def test_a_kill_behind_any_statement_leads_to_the_same_end(done: tuple[Database, dict[str, Any]], tmp_path: Path):
    database, ends = done
    job = tmp_path / "job.yaml"
    spec = {"name": "users-handle", "table": "public.users", "set": {"handle": "username"}, "where": "handle IS NULL"}
    job.write_text(
        "".join(f"{key}: {json.dumps(value)}\n" for key, value in (spec | {"finish": ends, "sync": "trigger"}).items())
    )
    with copied(database) as whole:
        ended = finish(whole, job)
        assert ended.returncode == 0, ended.stderr
        count, expected = int(ended.stdout), catalog(whole)
    assert not [row for row in expected if row[0] in ("trigger", "function")]
    assert count > 20
    chosen = range(1, count + 1) if EVERY else sorted(random.Random(count).sample(range(1, count + 1), KILLS))
    for last in chosen:
        with copied(database) as copy:
            killed = finish(copy, job, last)
            assert killed.returncode == -9, (last, killed)
            again = finish(copy, job)
            assert again.returncode == 0, (last, again.stderr)
            assert catalog(copy) == expected, last
            [(left,)] = copy.query(
                "select count(*) from backfill.job, jsonb_each(finish) where value ->> 'done_at' is null"
            )
            assert left == 0, last
