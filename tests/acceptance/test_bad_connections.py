"""A server out of reach, another encoding, and rights that a command lacks are reported with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command import all_at_once, backfill, job_text, serve_until, write
from tests.acceptance.worker import left, make_users, run_job, write_job
from tests.fixtures_postgres import Database
from tests.integration.jobs import run_sql
from tests.roles import dismiss, employ


def test_a_right_that_is_taken_away_in_mid_run_is_reported_with_its_grant(database: Database, tmp_path: Path):
    make_users(database, 20_000)
    path = write_job(tmp_path, **{"1GB/s": "200kB/s"})
    with run_job(database.worker_dsn, path) as worker:
        worker.until("BatchDone")
        database.query(f"revoke select, update on users from {database.worker}")
        assert worker.end() == 4
    grant = f"GRANT SELECT, UPDATE (handle) ON public.users TO {database.worker};"
    assert worker.stderr == f"backfill: permission denied for table users; run: {grant}\n"
    [(state, reason)] = database.query("select state, reason from backfill.job")
    assert (state, reason) == ("halted", f"permission denied for table users; run: {grant}")
    database.query(grant)
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0


def test_status_tune_and_init_report_the_grant_that_fixes_them(database: Database, tmp_path: Path):
    make_users(database, 100)
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 0, worker.stderr
    role = f"looker_{database.name}"
    database.query(f"create role {role} login")
    dsn = database.dsn_for(role)
    commands = {
        ("status",): (
            f"may not read schema backfill; run: GRANT USAGE ON SCHEMA backfill TO {role};"
            f" GRANT SELECT ON ALL TABLES IN SCHEMA backfill TO {role};"
        ),
        ("tune", "users-handle", "max_lag=5s"): (
            f"may not tune jobs; run: GRANT USAGE ON SCHEMA backfill TO {role};"
            f" GRANT SELECT ON ALL TABLES IN SCHEMA backfill TO {role};"
            f" GRANT UPDATE (tuned, tuned_until) ON backfill.job TO {role};"
            f" GRANT INSERT (job, action, until, reason, client, limits) ON backfill.request TO {role};"
        ),
        ("init",): (
            "may not do all of this: permission denied for schema backfill;"
            " as a superuser run what this prints: backfill init --print"
        ),
    }
    try:
        ends = all_at_once(list(commands), dsn=dsn)
        for said, one in zip(commands.values(), ends, strict=True):
            assert (one.code, one.stderr) == (4, f"backfill: role '{role}' {said}\n")
            if "run: " in said:
                database.query(said.partition("run: ")[2])
        explained = ("status", "users-handle", "--explain")
        for one in all_at_once([*list(commands)[:2], explained], dsn=dsn):
            assert one.code == 0, one
        database.query("drop schema backfill cascade")
        nothing = backfill("init", dsn=dsn)
        grant = f"GRANT CREATE ON DATABASE {database.name} TO {role};"
        assert (nothing.code, nothing.stderr) == (
            4,
            f"backfill: role '{role}' may not create schema backfill; run: {grant}\n",
        )
        database.query(grant)
        unknown = backfill("init", "--role", "no such", dsn=database.dsn)
        assert (unknown.code, unknown.stderr) == (
            2,
            "backfill: role 'no such' does not exist; run: CREATE ROLE \"no such\" LOGIN;\n",
        )
        others = backfill("init", "--role", database.worker, dsn=dsn)
        assert others.code == 4
        assert others.stderr.startswith(f"backfill: role '{role}' may not do all of this: ")
        assert others.stderr.endswith(f" run what this prints: backfill init --print --role {database.worker}\n")
        assert database.query("select to_regnamespace('backfill')") == [(None,)]  # nothing half done
        assert backfill("init", dsn=dsn).code == 0
    finally:
        dismiss(database.dsn, role)


def test_a_way_to_the_server_that_leads_nowhere_is_reported_with_what_fixes_it(cluster, database: Database):
    cluster.replica_a.wait_replayed()
    worker, name = database.worker, database.name
    reader = f"reader_{name}"
    run_sql(
        database,
        f"create role {reader} login",
        f"alter role {reader} set default_transaction_read_only = on",
        f"create role {name}_nologin",
        f"revoke connect on database {name} from public",
        f"grant connect on database {name} to {reader}",
    )
    standby = "it is a standby, or read-only by a setting; give a DSN of the primary, or one that lists all hosts"
    read_only = (
        f"default_transaction_read_only is on for role {reader}; if this role may write,"
        f" run: ALTER ROLE {reader} IN DATABASE {name} SET default_transaction_read_only = off;"
    )
    dsns = {
        cluster.replica_a.dsn_for(dbname=name): standby,
        database.dsn_for(reader): read_only,
        database.dsn_for(f"{name}_nologin"): f"run: ALTER ROLE {name}_nologin LOGIN;",
        database.worker_dsn: f"run: GRANT CONNECT ON DATABASE {name} TO {worker};",
    }
    try:
        commands = [["status"], ["init"], ["status"], ["status"]]
        ends = all_at_once([[*command, "--dsn", dsn] for command, dsn in zip(commands, dsns, strict=True)])
        for said, one in zip(dsns.values(), ends, strict=True):
            assert one.code == 1, one
            assert one.stderr.startswith("backfill: connection failed: ")
            assert one.stderr.endswith(f"; {said}\n")
            assert one.stderr.count("\n") == 1
        database.query(said.partition("run: ")[2])
        assert backfill("status", dsn=database.worker_dsn).code == 0
    finally:
        run_sql(database, f"drop owned by {reader}", f"drop role {reader}", f"drop role {name}_nologin")


@pytest.fixture
def encoded(database: Database):
    """Databases of other encodings, each with the worker's rights."""
    made = []

    def make(encoding: str) -> Database:
        name = f"{database.name}_{encoding.lower()}"
        run_sql(database, f"create database {name} template template0 encoding '{encoding}' locale 'C'")
        one = Database(name, database.primary, f"worker_{name}")
        made.append(one)
        run_sql(database, f"alter database {name} set client_encoding = 'UTF8'")  # for the test's own questions
        employ(one.dsn, one.worker)
        return one

    yield make
    for one in made:
        dismiss(one.dsn, one.worker)
        run_sql(database, f"drop database {one.name} with (force)")


@pytest.mark.timeout(120)
def test_a_database_of_another_encoding_takes_what_it_can_hold(encoded, tmp_path: Path):
    latin, none = encoded("LATIN1"), encoded("SQL_ASCII")
    for one in (latin, none):
        make_users(one, 300)
        with run_job(one.worker_dsn, write_job(tmp_path)) as worker:
            assert worker.end() == 0, worker.stderr
        assert left(one) == 0
    wrong = {
        "arrow": (
            job_text("arrow", "users", {"handle": "username || '→'"}, "handle IS NULL"),
            '5:5: character with byte sequence 0xe2 0x86 0x92 in encoding "UTF8" has no equivalent in encoding "LATIN1"',
        ),
        "named": (
            job_text("named", "naïve→", {"handle": "username"}, "handle IS NULL"),
            f"2:9: table 'public.\"naïve→\"' does not exist in database '{latin.name}'",
        ),
        "stays": (
            job_text("stays", "users", {"handle": "'ü'"}, "length(username) > 0"),
            "7:3: 'where' stays true for every row of the first batch, which was rolled back; for example ",
        ),
    }
    for name, (text, _) in wrong.items():
        write(tmp_path / f"{name}.yaml", text)
    (tmp_path / "job.yaml").unlink()
    ends = [one for one in serve_until(tmp_path, latin.worker_dsn, len(wrong)) if one["event"] == "job_ended"]
    for (name, (_, said)), end in zip(sorted(wrong.items()), ends, strict=True):
        assert end["exit_code"] == 2
        assert end["why"].removeprefix(f"{tmp_path}/{name}.yaml:").startswith(said), end
