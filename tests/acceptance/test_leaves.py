"""A partitioned table by the command line: killed in the middle of a leaf and resumed, shown by `status` and `plan`."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.command import backfill
from tests.acceptance.worker import left, run_job, write_job

ROWS = 15_000
PACED = {"max_wal_rate: 1GB/s": "max_wal_rate: 1MB/s"}


def make_partitions(database, *, count=3):
    """Make table users of so many partitions, and a table that counts the updates of each row."""
    database.query(
        "create table users (id bigint primary key, username text, email text not null default repeat('x', 60),"
        " handle text) partition by range (id)"
    )
    step = ROWS // count
    database.query("create unlogged table touched (id bigint)")
    database.query(
        "create function count_update() returns trigger language plpgsql security definer as"
        " 'begin insert into touched values (new.id); return null; end'"
    )
    for number in range(count):
        database.query(
            f"create table users_{number} partition of users for values from ({number * step}) to ({(number + 1) * step})"
        )
    database.query("create trigger counted after update on users for each row execute function count_update()")
    database.query(f"insert into users (id, username) select i, 'user' || i from generate_series(0, {ROWS - 1}) i")
    database.query("vacuum analyze users")


@pytest.mark.oldest
@pytest.mark.timeout(120)
@pytest.mark.parametrize("lanes", [1, 2])
def test_killed_in_the_middle_of_a_leaf_it_goes_on_there_and_updates_each_row_once(database, tmp_path, lanes):
    make_partitions(database)
    job = write_job(tmp_path, **{"throttle:": f"lanes: {lanes}\nthrottle:"}, **PACED)
    with run_job(database.worker_dsn, job) as worker:
        worker.until("LeafStarted", number=2)
        for _ in range(6):
            last = worker.until("BatchDone")
        worker.kill()
    status = json.loads(backfill("status", "users-handle", "--json", dsn=database.worker_dsn).stdout)
    assert (status["leaf"], status["leaf_number"], status["leaves"]) == ("public.users_1", 2, 3)
    assert 1 / 3 < status["progress_ratio"] < 2 / 3
    assert status["progress_ratio"] == pytest.approx(last["progress_ratio"], abs=0.2)
    assert status["rows_total"] >= last["rows_total"] > ROWS / 3
    text = backfill("status", dsn=database.worker_dsn).stdout
    assert "public.users (leaf 2 of 3: public.users_1)" in " ".join(text.split())
    with run_job(database.worker_dsn, job) as worker:
        assert worker.end() == 0, worker.stderr
    assert [(one["leaf"], one["resumed"]) for one in worker.all_of("LeafStarted")] == [
        ("public.users_1", True),
        ("public.users_2", False),
    ]
    assert left(database) == 0
    assert database.query("select count(*), count(distinct id) from touched") == [(ROWS, ROWS)]
    [finished] = worker.all_of("Finished")
    assert (finished["state"], finished["rows_total"]) == ("done", ROWS)
    [status] = map(json.loads, backfill("status", "--json", dsn=database.worker_dsn).stdout.splitlines())
    assert (status["state"], status["progress_ratio"], status["rows_total"]) == ("done", 1.0, ROWS)


def test_a_plan_lists_what_it_would_fill(database, tmp_path):
    make_partitions(database, count=25)
    told = backfill("plan", write_job(tmp_path), dsn=database.worker_dsn)
    assert told.code == 0, told.stderr
    lines = told.stdout.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith("leaves ")]
    assert lines[place].startswith("leaves    25; key, layout, costs and SQL are those of public.users_")
    assert lines[place + 1].startswith("leaf      public.users_0 (")
    assert lines[place + 21] == "          and 5 more"
    assert database.query("select name from backfill.job") == []
