"""A table that others change while a worker is at it: it goes on, or ends with a sentence that says what happened."""

from __future__ import annotations

import time
from contextlib import ExitStack

import psycopg
import pytest

from tests.acceptance.command import job_text, write
from tests.acceptance.worker import left, make_users, run_job, write_job

PACED = "throttle: {max_wal_rate: 100kB/s}"

GONE = {
    "dropped": ("drop table {table}", 'relation "public.dropped" does not exist'),
    "renamed": ("alter table {table} rename to elsewhere", 'relation "public.renamed" does not exist'),
    "narrowed": ("alter table {table} drop column handle", 'column "handle" does not exist'),
    "retyped": (
        "alter table {table} alter column handle type int using null",
        'column "handle" is of type integer but expression is of type text',
    ),
    "relabelled": ("alter table {table} rename username to login", 'column "username" does not exist'),
    "frozen": (
        "alter table {table} add check (handle is null) not valid",
        'violates check constraint "frozen_handle_check"',
    ),
}
"""What happens to a table of that name, and the server's words that a person then reads."""

REWRITTEN = (
    "vacuum full users",
    "alter table users add column more text not null default 'x'",
    "create index on users (handle)",
    "alter table users add column other uuid default gen_random_uuid()",
    "alter table users drop column more",
    "cluster users using users_pkey",
    "alter table users alter column id type numeric",
    "alter table users set (fillfactor = 30)",
    """
    begin; alter table users rename to users_before; create table users (like users_before including all);
    insert into users select * from users_before; drop table users_before; commit
    """,
    """
    begin; truncate users; insert into users (id, username, email)
    select i, 'new' || i, 'e' from generate_series(1, 3000) i; commit
    """,
)
"""What may happen to a table in the middle of a job without any harm to it."""


@pytest.mark.oldest
@pytest.mark.timeout(120)
def test_what_is_gone_under_a_worker_ends_it_with_the_server_s_words(database, tmp_path):
    with ExitStack() as stack:
        workers = {}
        for table in GONE:
            database.query(
                f"create table {table} as select i as id, 'u' || i as username, null::text as handle"
                " from generate_series(1, 30000) i"
            )
            path = write(tmp_path / table, job_text(table, table, {"handle": "username"}, "handle IS NULL", PACED))
            workers[table] = stack.enter_context(run_job(database.worker_dsn, path))
        for table, (statement, words) in GONE.items():
            workers[table].until("BatchDone")
            database.query(statement.replace("{table}", table))
            assert workers[table].end() == 1, table
            assert words in workers[table].stderr, table
            assert workers[table].stderr.startswith("backfill: "), table
            assert "Traceback" not in workers[table].stderr, table
            assert workers[table].all_of("Finished")[0]["state"] == "failed", table
    assert database.query("select distinct state from backfill.job") == [("failed",)]


@pytest.mark.docker
@pytest.mark.oldest
@pytest.mark.timeout(120)
def test_a_table_that_is_rewritten_emptied_and_changed_all_the_while_is_filled_to_the_end(database, tmp_path):
    make_users(database, 30_000)
    path = write_job(tmp_path, **{"1GB/s": "300kB/s"})
    with run_job(database.worker_dsn, path) as worker, psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement in REWRITTEN:
            worker.until("BatchDone")
            connection.execute(statement.encode())
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0
    assert database.query("select count(*), count(handle) from users") == [(3000, 3000)]
    rewritten = {event["why"] for event in worker.all_of("PassRestarted")}
    assert "the table was rewritten (VACUUM FULL, CLUSTER, TRUNCATE or an ALTER TABLE)" in rewritten


def test_a_locked_row_is_waited_for_with_its_reason_and_filled_when_it_is_free(database, tmp_path):
    make_users(database, 1000)
    path = write_job(tmp_path, **{"throttle:": "lock_timeout: 50ms\nthrottle:"})
    with psycopg.connect(database.dsn) as idle:
        idle.execute("update users set email = 'held' where id = 500")
        with run_job(database.worker_dsn, path) as worker:
            first = worker.until("RetryScheduled", reason="55P03")
            assert "canceling statement due to lock timeout" in first["message"]
            waited = worker.until("WaitStarted", timeout_s=10)
            assert waited["reason"]["kind"] == "retry"
            assert waited["reason"]["text"].startswith("attempt 1: canceling statement due to lock timeout")
            worker.until("RetryScheduled", attempt=3)
            idle.commit()
            assert worker.end() == 0, worker.stderr
    assert left(database) == 0
    assert worker.all_of("Finished")[0]["rows_total"] == 1000
    assert database.query("select email from users where id = 500") == [("held",)]


def test_a_batch_that_takes_too_long_is_made_smaller_until_it_fits(database, tmp_path):
    make_users(database, 60)
    # A first batch has 32 rows, 1.6 s of them, whatever WAL is on its way.
    slow = {
        "handle: username": "handle: username || left(pg_sleep(0.05)::text, 0)",
        "throttle:": "lock_timeout: 100ms\nstatement_timeout: 1s\nbatch: {stripes: 1}\nthrottle:",
    }
    began_s = time.monotonic()
    with run_job(database.worker_dsn, write_job(tmp_path, **slow)) as worker:
        assert worker.end() == 0, worker.stderr
    assert time.monotonic() - began_s < 30
    [refused, *again] = worker.all_of("BatchRefused")
    assert (refused["reason"], refused["message"]) == ("57014", "canceling statement due to statement timeout")
    assert len(again) <= 2, "what a row takes is known by then"
    assert max(event["rows"] for event in worker.all_of("BatchDone")) <= 20
    assert left(database) == 0
