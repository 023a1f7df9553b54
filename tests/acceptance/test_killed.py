"""Killed anywhere, run again, same end: nothing lost, nothing done twice."""

from __future__ import annotations

import random

import pytest

from tests.acceptance.worker import left, make_users, run_job, write_job
from tests.fixtures_docker import chosen_tag

KILLS, ROWS = 12, 150_000
KILLS_IN_CONTAINERS, ROWS_IN_CONTAINERS = 4, 100_000


@pytest.mark.long
@pytest.mark.docker
@pytest.mark.timeout(480)
def test_kills_at_random_moments_update_each_row_exactly_once(database, tmp_path, pytestconfig):
    in_containers = chosen_tag(pytestconfig) is not None
    kills, rows = (KILLS_IN_CONTAINERS, ROWS_IN_CONTAINERS) if in_containers else (KILLS, ROWS)
    make_users(database, rows)
    database.query("create unlogged table touched (id bigint)")
    database.query(
        "create function count_update() returns trigger language plpgsql security definer as"
        " 'begin insert into touched values (new.id); return null; end'"
    )
    database.query("create trigger counted after update on users for each row execute function count_update()")
    job = write_job(tmp_path)
    chance = random.Random(20)
    killed = 0
    rows_before = 0
    while True:
        with run_job(database.worker_dsn, job) as worker:
            rows_here = 0
            # A share of what is left, so that all kills find work to interrupt; sometimes before the first batch.
            allowance = chance.uniform(0, 2 * (rows - rows_before) / (kills - killed + 1)) if killed < kills else None
            for event in worker.each():
                if event["event"] == "BatchDone":
                    rows_here += event["rows"]
                if allowance is not None and event["event"] in ("Started", "BatchDone") and rows_here >= allowance:
                    worker.kill()
                    killed += 1
                    break
            else:
                assert worker.end() == 0, worker.stderr
                break
            [(rows_before,)] = database.query("select coalesce(max(rows_total), 0) from backfill.checkpoint")
    assert killed == kills
    assert left(database) == 0
    assert database.query("select count(*), count(distinct id) from touched") == [(rows, rows)]
    [finished] = worker.all_of("Finished")
    assert finished["rows_total"] == rows
