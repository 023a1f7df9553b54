"""The commands around a run as a user meets them: a gate that opens and one that does not, a proof, a stop that is forced."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.command import all_at_once, backfill, write
from tests.acceptance.worker import JOB, make_users


def test_a_gate_opens_for_a_job_that_is_done_and_proven_and_not_for_rows_that_match_again(database, tmp_path):
    make_users(database, 500)
    job = write(tmp_path / "users-handle.yaml")
    closed = backfill("gate", "--job", "users-handle", "--timeout", "3s", "--json", dsn=database.worker_dsn)
    assert closed.code == 75
    never = "job users-handle was never started in this database"
    assert closed.stderr.startswith("backfill: gate closed after 3s: ")
    assert never in closed.stderr
    first = json.loads(closed.stdout.splitlines()[0])
    assert (first["open"], first["reasons"][-1]) == (False, never)
    assert backfill("run", job, dsn=database.worker_dsn).code == 0
    opened = backfill(
        "gate", "--job", job, "--column", "public.users.handle", "--timeout", "20s", dsn=database.worker_dsn
    )
    assert (opened.code, opened.stderr) == (0, "")
    assert opened.stdout.splitlines()[-1].endswith(": replica-a, replica-b")
    database.query("update users set handle = null where id = 7")
    verified = backfill("verify", job, dsn=database.worker_dsn)
    assert verified.code == 3
    assert verified.stdout == (
        "users-handle: not proven: 1 rows match 'where', for example {\"id\": 7}; fill them: backfill run JOB.yaml\n"
    )
    assert backfill("gate", "--job", "users-handle", "--timeout", "500ms", dsn=database.worker_dsn).code == 75
    database.query("update users set handle = username where id = 7")
    assert backfill("verify", job, dsn=database.worker_dsn).stdout == "users-handle: proven: every row is filled\n"
    assert backfill("gate", "--job", "users-handle", dsn=database.worker_dsn).code == 0


def test_a_run_is_refused_on_a_stop_and_runs_if_it_is_forced(database, tmp_path):
    make_users(database, 500)
    job = write(tmp_path / "users-handle.yaml", JOB + "  max_slot_retained: 1MB\n")
    slot = f"slot_{database.name}"
    database.query("select pg_create_physical_replication_slot(%s, true)", slot)
    try:
        database.query("select pg_logical_emit_message(false, 'x', repeat('x', 2000000)), pg_switch_wal()")
        refused = backfill("run", job, dsn=database.worker_dsn)
        assert refused.code == 4
        assert f"job 'users-handle' must not run now: slot-inactive: slot {slot} is inactive" in refused.stderr
        assert "--force slot-inactive" in refused.stderr
        assert database.query("select count(*) from users where handle is not null") == [(0,)]
        plan: list[str | Path] = ["plan", job, "--no-measure", "--json"]
        stopped, forced = all_at_once([plan, [*plan, "--force", "slot-inactive"]], dsn=database.worker_dsn)
        planned = json.loads(stopped.stdout)
        assert (stopped.code, forced.code) == (4, 0)
        assert "slot-inactive" in {found["name"] for found in planned["findings"] if found["level"] == "stop"}
    finally:
        database.query("select pg_drop_replication_slot(%s)", slot)
    assert backfill("run", job, "--force", "slot-inactive", dsn=database.worker_dsn).code == 0
    assert "did you mean 'wraparound'?" in backfill("run", job, "--force", "wrap-around", dsn="host=x").stderr
