"""`backfill finish` as a user meets it: the lines that it prints, its exit codes, and what `status` and `plan` show of it."""

from __future__ import annotations

import json

from tests.acceptance.command import backfill, write
from tests.acceptance.worker import JOB, make_users

FINISH = (
    "finish:\n  not_null: [handle]\n"
    "  indexes: [{columns: [handle], unique: true, name: users_handle_key, constraint: true}]\n"
)


def test_a_job_is_finished_after_its_proof_and_shown_by_status_and_plan(database, tmp_path):
    make_users(database, 300)
    job = write(tmp_path / "users-handle.yaml", JOB + FINISH)
    early = backfill("finish", job, dsn=database.dsn)
    assert (early.code, early.stdout) == (2, "")
    assert "job 'users-handle' never ran in this database; run it first: backfill run " in early.stderr
    planned = backfill("plan", job, "--sql", dsn=database.dsn)
    assert planned.code == 0, planned.stderr
    assert '\nCREATE UNIQUE INDEX CONCURRENTLY "users_handle_key" ON "public"."users" ("handle");\n' in planned.stdout
    assert backfill("run", job, dsn=database.worker_dsn).code == 0
    stranger = backfill("finish", job, dsn=database.worker_dsn)
    assert (stranger.code, stranger.stdout) == (2, "")
    assert "belongs to role 'postgres', and only its owner may change it; run finish as a superuser" in stranger.stderr
    done = backfill("finish", job, dsn=database.dsn)
    assert (done.code, done.stderr) == (0, "")
    assert 'ALTER TABLE "public"."users" ADD CONSTRAINT "users_handle_key" UNIQUE USING INDEX' in done.stdout
    assert done.stdout.splitlines()[-3:] == [
        "users-handle: not_null handle: done",
        "users-handle: index users_handle_key: done",
        "users-handle: finished",
    ]
    again = backfill("finish", job, dsn=database.dsn)
    assert (again.code, again.stdout) == (0, "users-handle: nothing to do, all was done before\n")
    shown = backfill("status", "users-handle", dsn=database.worker_dsn).stdout
    assert "users-handle: finish: index users_handle_key done 20" in shown
    [status] = map(json.loads, backfill("status", "--json", dsn=database.worker_dsn).stdout.splitlines())
    assert len(status["finish"]) == 2
    assert all(step.endswith(" by role postgres") for step in status["finish"])


def test_events_of_finish_are_json_lines(database, tmp_path):
    make_users(database, 100)
    job = write(tmp_path / "users-handle.yaml", JOB + FINISH)
    assert backfill("run", job, dsn=database.worker_dsn).code == 0
    database.query("update users set handle = null where id = 7")
    refused = backfill("finish", job, "--json", dsn=database.dsn)
    assert (refused.code, refused.stdout) == (4, "")
    assert refused.stderr.startswith(
        "backfill: column 'handle' is NULL in 1 row of public.users, such as {\"id\": 7}; "
    )
    database.query("update users set handle = username where id = 7")
    done = backfill("finish", job, "--json", dsn=database.dsn)
    assert {json.loads(line)["event"] for line in done.stdout.splitlines()} == {"DdlDone"}
