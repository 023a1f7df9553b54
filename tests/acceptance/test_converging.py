"""The end of a run is exact: every row filled, or every row that cannot be counted; nothing missed meanwhile."""

from __future__ import annotations

import json
import random
import threading

import psycopg
import pytest

from tests.acceptance.worker import JOB, left, make_users, run_job, write_job

ROWS = 200_000
CLIENTS = 4
MOVING = 20_000


@pytest.mark.timeout(120)
def test_ten_percent_null_sources_end_with_their_exact_number_and_exit_3(database, tmp_path):
    make_users(database, ROWS, username="case when i %% 10 <> 0 then 'user' || i end")
    job = write_job(tmp_path)
    with run_job(database.worker_dsn, job) as worker:
        assert worker.end() == 3, worker.stderr
        [finished] = worker.all_of("Finished")
    assert finished["state"] == "unconverged"
    assert finished["rows_unconverged"] == ROWS // 10
    assert "20,000 rows cannot converge" in finished["why"]
    assert finished["samples"]
    assert all('"id"' in sample for sample in finished["samples"])
    assert left(database) == 0
    assert database.query("select state, rows_unconverged from backfill.job") == [("unconverged", ROWS // 10)]
    # Each row was updated once, also those that did not converge: a pass for them would never end.
    with run_job(database.worker_dsn, job) as again:
        assert again.end() == 3
        assert again.all_of("BatchDone") == []
        assert again.all_of("Finished")[0]["rows_unconverged"] == ROWS // 10


@pytest.mark.timeout(120)
def test_joined_rows_are_filled_and_those_without_a_partner_end_with_their_exact_number_and_exit_3(database, tmp_path):
    make_users(database, ROWS // 4)
    database.query("create table accounts (user_id bigint primary key, nick text not null)")
    database.query("insert into accounts select id, 'nick' || id from users where id % 10 <> 0")
    job = write_job(
        tmp_path,
        JOB.replace("handle: username", "handle: a.nick || '-' || users.id")
        + "using: {table: accounts, as: a, on: a.user_id = users.id}\n",
    )
    lonely = ROWS // 40
    with run_job(database.worker_dsn, job) as worker:
        assert worker.end() == 3, worker.stderr
        [finished] = worker.all_of("Finished")
    assert (finished["state"], finished["rows_unconverged"], finished["passes"]) == ("unconverged", lonely, 1)
    assert finished["rows_total"] == ROWS // 4 - lonely
    assert finished["why"].startswith(
        "5,000 rows cannot converge: they have no partner in public.accounts; for example"
    )
    keys = [json.loads(sample)["id"] for sample in finished["samples"]]
    assert len(keys) == 5
    assert all(key % 10 == 0 for key in keys)
    assert worker.all_of("Verified")[-1]["rows_without_partner"] == lonely
    wrong = (
        "select count(*) from users left join accounts on user_id = id where handle is distinct from nick || '-' || id"
    )
    assert database.query(wrong) == [(0,)]
    database.query("insert into accounts select id, 'late' from users where handle is null and id > 10")
    with run_job(database.worker_dsn, job) as again:
        assert again.end() == 3
        [finished] = again.all_of("Finished")
    assert (finished["rows_unconverged"], finished["samples"]) == (1, ['{"id": 10}'])
    assert database.query("select spec -> 'using' ->> 'as' from backfill.job") == [("a",)]


@pytest.mark.long
@pytest.mark.timeout(120)
def test_rows_that_clients_move_all_the_while_are_not_missed(database, tmp_path):
    make_users(database, MOVING)
    stop = threading.Event()
    updates = [0] * CLIENTS

    def write(client: int) -> None:
        chance = random.Random(client)
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            while not stop.wait(0.002):  # faster ones fill the replicas' queues, which is another test
                connection.execute(
                    "update users set email = %s || email where id = %s",
                    [chance.choice("abc"), chance.randrange(1, MOVING + 1)],
                )
                updates[client] += 1

    threads = [threading.Thread(target=write, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        with run_job(database.worker_dsn, write_job(tmp_path, **{"1GB/s": "2MB/s"})) as worker:
            code = worker.end()
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert code == 0, worker.stderr
    assert left(database) == 0
    assert sum(updates) > 1000
    assert worker.all_of("Finished")[0]["passes"] == len(worker.all_of("Verified"))


def test_a_table_whose_rows_are_all_filled_is_only_read(database, tmp_path):
    make_users(database, 10_000)
    database.query("update users set handle = username")
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 0
    assert worker.all_of("BatchDone") == []
    assert database.query("select rows_total from backfill.checkpoint") == [(0,)]


def test_rows_whose_update_a_trigger_suppresses_are_counted_with_the_reason(database, tmp_path):
    make_users(database, 1000)
    database.query("create function nothing() returns trigger language plpgsql as 'begin return null; end'")
    database.query("create trigger suppress before update on users for each row execute function nothing()")
    with run_job(database.worker_dsn, write_job(tmp_path)) as worker:
        assert worker.end() == 3
    [finished] = worker.all_of("Finished")
    assert finished["why"].startswith(
        "1,000 rows cannot converge: they are reached by no UPDATE (a trigger suppresses it"
    )
    assert len(worker.all_of("Verified")) == 2
