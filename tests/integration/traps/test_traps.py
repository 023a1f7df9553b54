"""No look-alike in a schema of the search_path is called by a statement of ours, whoever runs which command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backfill.postgres.session.sql_files import statement
from backfill.sandbox import Server
from tests.acceptance.command import Ended, backfill
from tests.acceptance.worker import JOB
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import create_database, drop_database, run_sql
from tests.integration.traps.plant import SPRUNG, plant

ROWS = 500
COLUMNS = "id bigint primary key, username text, handle text"
TEMPORARY = ("pg_stat_replication", "pg_class", "pg_settings", "pg_stat_activity", "pg_roles", "job", "batch")
"""Temporary tables that a trigger of the table makes in our session, in the middle of a batch."""
FINISH = "finish: {not_null: [handle], indexes: [{columns: [id, handle], unique: true, constraint: true}]}\n"
FUNCTION = "def f(rows):\n    return [row['username'] for row in rows]\n"


@pytest.fixture(scope="module")
def trapped(cluster: Cluster) -> Iterator[Database]:
    database = create_database(cluster.primary)
    planted = plant(database.dsn, database.name)
    assert planted["function"] > 4000, planted
    assert planted["operator"] > 2000, planted
    assert min(planted["relation"], planted["type"]) > 5, planted
    yield database
    run_sql(cluster.primary, f"alter database {database.name} reset search_path")
    drop_database(database)


@pytest.fixture
def users(trapped: Database) -> Database:
    run_sql(
        trapped,
        "set search_path = pg_catalog",
        "drop schema if exists backfill cascade",
        "drop table if exists public.users",
        f"create table public.users ({COLUMNS})",
        f"insert into public.users select i, 'user' || i from generate_series(1, {ROWS}) i",
        "create or replace function public.plant_temporary() returns trigger language plpgsql set search_path = pg_catalog"
        " as $$ begin "
        + " ".join(f"execute 'create temporary table if not exists {name} (id int)';" for name in TEMPORARY)
        + " return null; end $$",
        "create trigger plants after update on public.users for each row when (new.id = 1)"
        " execute function public.plant_temporary()",
        "vacuum analyze public.users",
    )
    return trapped


def log_of(database: Database) -> Path:
    """Return the server's log."""
    assert isinstance(database.primary, Server)
    return database.primary.log


def sprung(database: Database, since: int) -> list[str]:
    """Return what was called since the log had so many bytes."""
    log = log_of(database).read_bytes()[since:].decode(errors="replace")
    return sorted({line.partition(SPRUNG)[2] for line in log.splitlines() if SPRUNG in line})


def commands(database: Database, dsn: str, role: str, directory: Path) -> Iterator[tuple[str, Ended]]:
    """Run every command that asks the database, from an empty one to a job that is done."""
    job, mapped, rejecting = (directory / f"{name}.yaml" for name in ("job", "mapped", "rejecting"))
    job.write_text(JOB)
    (directory / "functions.py").write_text(FUNCTION)
    python = JOB.replace("handle: username", "handle: python").replace("users-handle", "mapped")
    mapped.write_text(python + "python: {function: 'functions:f', inputs: [username]}\n")
    rejecting.write_text(JOB.replace("users-handle", "rejecting") + "on_row_error: skip\nbatch: {stripes: 2}\n")
    yield "init", backfill("init", *(["--role", role] if dsn == database.dsn else []), dsn=dsn)
    if dsn == database.dsn:
        yield "init --job", backfill("init", "--job", job, "--role", role, "--print", dsn=dsn)
    for name, file in (("expressions", job), ("function", mapped)):
        run_sql(database, "update public.users set handle = null")
        yield f"plan with {name}", backfill("plan", file, dsn=dsn)
        yield f"run with {name}", backfill("run", file, "--json", dsn=dsn)
    run_sql(
        database,
        "update public.users set handle = null",
        "alter table public.users add constraint refused check (handle::pg_catalog.text operator(pg_catalog.<>) 'user7')",
    )
    yield "run with a rejected row", backfill("run", rejecting, "--json", dsn=dsn)
    run_sql(database, "alter table public.users drop constraint refused")
    yield "retry-rejected", backfill("retry-rejected", rejecting, "--json", dsn=dsn)
    if dsn == database.dsn:  # the owner of the table
        finishing = directory / "finishing.yaml"
        finishing.write_text(JOB + FINISH)
        yield "finish", backfill("finish", finishing, dsn=dsn)
    yield "status", backfill("status", dsn=dsn)
    yield "status --explain", backfill("status", "users-handle", "--explain", dsn=dsn)
    yield "tune", backfill("tune", "users-handle", "max_lag=5s", "--for", "1h", dsn=dsn)
    run_sql(database, "update backfill.job set state = 'stopped'")
    for command in ("pause", "resume", "cancel", "forget"):
        yield command, backfill(command, "users-handle", dsn=dsn)


@pytest.mark.timeout(240)  # a dozen commands, one after the other
@pytest.mark.parametrize("superuser", [pytest.param(False, marks=pytest.mark.long), True])
def test_no_command_springs_a_trap(users: Database, tmp_path: Path, *, superuser: bool):
    dsn, since = users.dsn if superuser else users.worker_dsn, log_of(users).stat().st_size
    for name, ended in commands(users, dsn, users.worker, tmp_path):
        assert sprung(users, since) == [], name
        assert ended.code == (3 if "rejected row" in name else 0), (name, ended)
        assert "traps." not in ended.stderr, (name, ended)
    assert users.query("select pg_catalog.count(*) from public.users where handle is null") == [(0,)]


def test_what_init_prints_springs_none_in_a_superuser_s_session(users: Database):
    printed = backfill("init", "--print", "--role", users.worker)
    since = log_of(users).stat().st_size
    with psycopg.connect(users.dsn, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(printed.stdout.encode())
    assert sprung(users, since) == []


@pytest.mark.parametrize("asked", ["select pg_backend_pid()", "select 1 = 1", "select count(*) from pg_settings"])
def test_the_traps_do_spring(users: Database, asked: str):
    since = log_of(users).stat().st_size
    with psycopg.connect(users.dsn, autocommit=True) as connection:
        connection.execute(asked.encode())
    assert sprung(users, since)


def test_a_statement_of_ours_under_the_database_s_own_path_would_meet_them(users: Database):
    since = log_of(users).stat().st_size
    with psycopg.connect(users.dsn, autocommit=True) as connection:
        connection.execute(statement("session/read_server"))
    assert {"pg_has_role(text, text)", "current_setting(text)"} <= set(sprung(users, since))
