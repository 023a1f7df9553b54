"""A worker's life among others: signals, locks, lost sessions, rights."""

from __future__ import annotations

import signal
import time

import pytest

from tests.acceptance.worker import left, make_users, run_job, write_job

SLOW = {"  max_wal_rate: 1GB/s": "  max_wal_rate: 200kB/s"}
SOON_S = 20.0
"""On a busy machine."""


@pytest.mark.docker
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_batch_in_flight_and_leaves_the_checkpoint(database, tmp_path, number, code):
    make_users(database, 20_000)
    with run_job(database.worker_dsn, write_job(tmp_path, **SLOW)) as worker:
        worker.until("BatchDone")
        worker.send(number)
        began_s = time.monotonic()
        assert worker.end() == code, worker.stderr
        assert time.monotonic() - began_s < SOON_S
    [finished] = worker.all_of("Finished")
    assert finished["state"] == "stopped"
    [(batch_result,)] = database.query("select count(*) from users where handle is not null")
    assert database.query("select rows_total, state from backfill.checkpoint, backfill.job") == [
        (batch_result, "stopped")
    ]
    assert 0 < batch_result < 20_000
    assert database.query("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 0
    assert worker.all_of("Started")[0]["resumed"] is True
    assert sum(event["rows"] for event in worker.all_of("BatchDone")) == 20_000 - batch_result
    assert left(database) == 0


@pytest.mark.docker
@pytest.mark.oldest
def test_a_second_signal_cancels_the_statement_and_rolls_it_back(database, tmp_path):
    make_users(database, 2000)
    job = write_job(
        tmp_path,
        **{
            "handle: username": "handle: username || left(pg_sleep(0.02)::text, 0)",
            "throttle:": "statement_timeout: 1h\nthrottle:",
        },
    )
    with run_job(database.worker_dsn, job) as worker:
        worker.until("Started")
        deadline_s = time.monotonic() + 30
        while database.query(
            "select count(*) from pg_stat_activity where query like 'WITH filled%%' and state = 'active'"
        ) == [(0,)]:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        worker.send(signal.SIGTERM)
        worker.until("Stopping")
        worker.send(signal.SIGTERM)
        began_s = time.monotonic()
        assert worker.end() == 143, worker.stderr
        assert time.monotonic() - began_s < SOON_S
    [(batch_result,)] = database.query("select count(*) from users where handle is not null")
    assert database.query("select rows_total from backfill.checkpoint") == [(batch_result,)]
    assert batch_result < 2000


@pytest.mark.docker
def test_a_second_worker_waits_names_the_holder_and_takes_over_when_it_is_killed(database, tmp_path):
    make_users(database, 20_000)
    job = write_job(tmp_path, **SLOW)
    with run_job(database.worker_dsn, job) as first:
        first.until("BatchDone")
        with run_job(database.worker_dsn, job, "--no-wait") as refused:
            assert refused.end() == 75
            assert f":{first.process.pid} (pid " in refused.stderr
            assert refused.stderr.startswith("backfill: job 'users-handle' is locked by backfill:users-handle@")
        with run_job(database.worker_dsn, write_job(tmp_path)) as second:
            waiting = second.until("LockWaiting")
            assert f":{first.process.pid} (pid " in waiting["holder"]
            first.kill()
            killed_s = time.monotonic()
            second.until("Started", resumed=True)
            assert time.monotonic() - killed_s < SOON_S
            assert second.end() == 0, second.stderr
    assert left(database) == 0


def test_a_second_job_on_the_same_table_waits_for_the_first(database, tmp_path):
    make_users(database, 20_000)
    with run_job(database.worker_dsn, write_job(tmp_path, **SLOW)) as first:
        first.until("BatchDone")
        other = write_job(tmp_path, **{"users-handle": "another-name"})
        with run_job(database.worker_dsn, other, "--no-wait") as refused:
            assert refused.end() == 75
            assert "which fills table public.users for another job" in refused.stderr


@pytest.mark.docker
def test_a_terminated_session_is_opened_again_and_nothing_is_lost(database, tmp_path):
    make_users(database, 50_000)
    with run_job(database.worker_dsn, write_job(tmp_path, **{"1GB/s": "8MB/s"})) as worker:
        for _ in range(3):
            worker.until("BatchDone")
            database.query(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'backfill:users-handle%%'"
            )
            worker.until("RetryScheduled")
        assert worker.end() == 0, worker.stderr
    assert sum(event["rows"] for event in worker.all_of("BatchDone")) <= 50_000
    assert worker.all_of("Finished")[0]["rows_total"] == 50_000
    assert left(database) == 0


def test_a_role_without_pg_monitor_learns_the_grant_that_fixes_it_before_any_batch(database, tmp_path):
    make_users(database, 1000)
    database.query(f"revoke pg_monitor from {database.worker}")
    job = write_job(tmp_path)
    with run_job(database.worker_dsn, job) as worker:
        assert worker.end() == 4
    grant = f"GRANT pg_monitor TO {database.worker};"
    assert worker.stderr == (
        f"backfill: role '{database.worker}' cannot see replication, so no job may run; run: {grant}\n"
    )
    assert worker.all_of("BatchDone") == []
    assert database.query("select name from backfill.job") == []
    database.query(grant)
    with run_job(database.worker_dsn, job) as worker:
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0


@pytest.mark.docker
def test_a_role_blinded_in_mid_run_stops_the_next_batch_and_goes_on_when_it_sees_again(database, tmp_path):
    make_users(database, 50_000)
    with run_job(database.worker_dsn, write_job(tmp_path, **{"1GB/s": "4MB/s"})) as worker:
        worker.until("BatchDone")
        database.query(f"revoke pg_monitor from {database.worker}")
        waited = next(
            event for event in worker.each() if event["event"] == "WaitStarted" and event["reason"]["kind"] == "blind"
        )
        assert waited["reason"]["text"] == "replication is hidden from this role: it lacks pg_monitor"
        database.query(f"grant pg_monitor to {database.worker}")
        worker.until("BatchDone")
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0


def test_a_role_that_may_create_the_state_needs_no_init(database, tmp_path):
    make_users(database, 1000)
    database.query("drop schema backfill cascade")
    database.query(f"grant create on database {database.name} to {database.worker}")
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 0, worker.stderr
    assert database.query("select nspowner::regrole::text from pg_namespace where nspname = 'backfill'") == [
        (database.worker,)
    ]
    assert left(database) == 0
