"""A row that its table will not take ends the run with 1 and its key, or is set aside; all others are filled once."""

from __future__ import annotations

import json
import random
import re
import time

import psycopg
import pytest

from tests.acceptance.command import all_at_once, backfill, job_text, serve_until, write
from tests.acceptance.worker import make_users, run_job, running

ROWS = 1000
FAILING = {
    "raised": (
        """
        create function raised_never() returns trigger language plpgsql as $$ begin
            if new.id = 700 then raise exception 'row %: [/red] 100%%', new.id using hint = 'leave it'; end if;
            return new;
        end $$;
        create trigger never before update on raised for each row execute function raised_never()
        """,
        "username",
        ["row 700: [/red] 100%", "HINT:  leave it", "CONTEXT:  PL/pgSQL function raised_never() line 2 at RAISE"],
    ),
    "checked": (
        "alter table checked add check (handle <> 'u700')",
        "username",
        [
            'new row for relation "checked" violates check constraint "checked_handle_check"',
            "DETAIL:  Failing row contains",
        ],
    ),
    "unique_twice": (
        "create unique index on unique_twice (handle); update unique_twice set username = 'u1' where id = 700",
        "username",
        [
            'duplicate key value violates unique constraint "unique_twice_handle_idx"',
            "DETAIL:  Key (handle)=(u1) already exists.",
        ],
    ),
    "too_long": (
        "alter table too_long alter handle type varchar(4); update too_long set username = 'u1000' where id = 700",
        "username",
        ["value too long for type character varying(4)"],
    ),
    "no_number": (
        "select 1",
        "CASE WHEN id = 700 THEN username::int::text ELSE username END",
        ['invalid input syntax for type integer: "u700"'],
    ),
    "no_reference": (
        """
        create table names (name text primary key); insert into names select username from no_reference where id <> 700;
        alter table no_reference add foreign key (handle) references names deferrable initially deferred
        """,
        "username",
        ['violates foreign key constraint "no_reference_handle_fkey"', "DETAIL:  Key (handle)=(u700) is not present"],
    ),
    "wrong_leaf": (
        """
        create table leaves (id int, username text, handle text) partition by list (handle);
        update wrong_leaf set handle = 'u700' where id = 700;
        delete from wrong_leaf where id <> 700;
        alter table leaves attach partition wrong_leaf for values in ('u700')
        """,
        "username || ' moved'",
        ['new row for relation "wrong_leaf" violates partition constraint'],
    ),
}
"""What is done to a table of that name, the expression that fails for row 700, and what is said."""


COMPUTED = {
    "no_number": "its new value is unknown: 'set' itself fails on it",
    "wrong_leaf": 'it would be set to {"handle": "u700 moved"}',
    "too_long": 'it would be set to {"handle": "u1000"}',
    "unique_twice": 'it would be set to {"handle": "u1"}',
}
"""What is said of the value; of the others it is u700."""


def make(database, table, prepare, rows=ROWS):
    """Make a table without a key of rows 1 to 999, of which the 700th is the one."""
    database.query(
        f"create table {table} as select i as id, 'u' || i as username, null::text as handle"
        f" from generate_series(1, {rows - 1}) i"
    )
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(prepare.encode())


def condition(table):
    return "handle NOT LIKE '%moved'" if table == "wrong_leaf" else "handle IS NULL"


@pytest.mark.timeout(120)
def test_a_row_that_cannot_be_written_is_named_in_the_server_s_words_and_the_rest_stands(database, tmp_path):
    for table, (prepare, expression, _) in FAILING.items():
        make(database, table, prepare)
        text = job_text(table.replace("_", "-"), table, {"handle": expression}, condition(table))
        write(tmp_path / f"{table}.yaml", text)
    ended = [line for line in serve_until(tmp_path, database.worker_dsn, len(FAILING)) if line["event"] == "job_ended"]
    assert [one["exit_code"] for one in ended] == [1] * len(FAILING)
    for (table, (_, _, words)), one in zip(sorted(FAILING.items()), ended, strict=True):
        [(address,)] = database.query(f"select ctid::text from {table} where id = 700")
        if table != "unique_twice":  # either of the two may be the one that comes second
            assert one["why"].startswith(f"the server rejected row {address} of public.{table}: "), one["why"]
        assert COMPUTED.get(table, 'it would be set to {"handle": "u700"}') in one["why"], table
        for said in words:
            assert said in one["why"], table
        [(state, reason, rows_total)] = database.query(
            "select state, reason, rows_total from backfill.job join backfill.checkpoint on job = name where name = %s",
            table.replace("_", "-"),
        )
        assert state == "failed"
        assert words[0] in reason
        if table != "wrong_leaf":
            assert database.query(f"select count(handle) from {table}") == [(rows_total,)]
    assert database.query("select count(*) from backfill.rejected") == [(0,)]
    shown = backfill("status", dsn=database.worker_dsn)
    assert (shown.code, shown.stdout.count("failed ")) == (0, len(FAILING))
    assert "row 700: [/red] 100%" in shown.stdout


MENDED = {
    "raised": "drop trigger never on raised",
    "checked": "alter table checked drop constraint checked_handle_check",
    "unique_twice": "drop index unique_twice_handle_idx",
    "too_long": "alter table too_long alter handle type text",
    "no_number": "update no_number set username = '700' where id = 700",
    "no_reference": "insert into names values ('u700')",
}
"""What mends the row, or takes away what it breaks."""


@pytest.mark.timeout(180)
def test_rows_that_cannot_be_written_are_rejected_and_filled_when_they_are_fixed(database, tmp_path):
    files = {}
    for table in MENDED:
        prepare, expression, _ = FAILING[table]
        make(database, table, prepare)
        text = job_text(table.replace("_", "-"), table, {"handle": expression}, "handle IS NULL", "on_row_error: skip")
        files[table] = write(tmp_path / f"{table}.yaml", text)
    ended = backfill("run", *files.values(), "--http", "off", dsn=database.worker_dsn)
    assert ended.code == 3, ended
    for table, path in files.items():
        [(leaf, key, message)] = database.query(
            "select leaf, key, message from backfill.rejected where job = %s", table.replace("_", "-")
        )
        words = FAILING[table][2]
        assert leaf == f"public.{table}"
        assert all(said in message for said in words), table
        assert database.query(f"select ctid::text from {table} where handle is null") == [(key,)]
        told = [
            line for line in map(json.loads, ended.stderr.splitlines()) if line.get("job") == table.replace("_", "-")
        ]
        [finished] = [line for line in told if line["event"] == "finished"]
        assert (finished["state"], finished["rows_rejected"], finished["rows_unconverged"]) == ("unconverged", 1, 0)
        assert finished["why"].startswith("1 row was rejected by the server, kept in backfill.rejected; for example (")
        assert len([line for line in told if line["event"] == "row_rejected"]) == 1
        if table not in ("checked", "no_reference"):
            continue
        again = backfill("retry-rejected", path, dsn=database.worker_dsn)
        assert again.code == 3, again
        assert (
            f"{table.replace('_', '-')}: 0 filled, 0 gone, 1 rejected again; unconverged: 1 row was rejected"
            in again.stdout
        )
        assert words[0] in again.stdout
    shown = backfill("status", dsn=database.worker_dsn).stdout
    assert shown.count("1 row was rejected by the server, kept in backfill.rejected") >= len(files)
    for table in files:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute(MENDED[table].encode())
    commands = [("retry-rejected", path) for path in files.values()]
    for table, again in zip(files, all_at_once(commands, dsn=database.worker_dsn), strict=True):
        if table == "no_number":  # the row has moved, and its address was all that it was known by
            assert again.code == 3, again
            assert "0 filled, 1 gone, 0 rejected again; stopped: " in again.stdout
            assert "continue it with backfill run" in again.stdout
            assert backfill("run", files[table], "--http", "off", dsn=database.worker_dsn).code == 0
        else:
            assert (again.code, again.stderr) == (0, ""), again
            assert "1 filled, 0 gone, 0 rejected again; done: every row is filled" in again.stdout
        assert database.query(f"select count(*) from {table} where handle is null") == [(0,)]
    assert database.query("select count(*) from backfill.rejected") == [(0,)]
    assert database.query("select distinct state from backfill.job") == [("done",)]


def test_a_failed_job_goes_on_where_it_stood_once_its_row_is_fixed(database, tmp_path):
    database.query(
        "create table users as select i as id, 'u' || i as handle, null::text as copy from generate_series(1, 2000) i"
    )
    database.query("alter table users add check (copy <> 'u1999')")
    path = write(tmp_path / "job.yaml", job_text("mended", "users", {"copy": "handle"}, "copy IS NULL"))
    command = ("run", path, "--json", "--http", "off")
    ended = backfill(*command, dsn=database.worker_dsn)
    assert ended.code == 1
    said = 'new row for relation "users" violates check constraint "users_copy_check"\n'
    assert re.match(rf"backfill: the server rejected row \(\d+,\d+\) of public\.users: {re.escape(said)}", ended.stderr)
    assert all(line.startswith("backfill: ") for line in ended.stderr.splitlines())
    [(done,)] = database.query("select count(copy) from users")
    database.query("update users set handle = 'mended' where id = 1999")
    ended = backfill(*command, dsn=database.worker_dsn)
    assert ended.code == 0, ended
    assert '"resumed": true' in ended.stdout
    assert database.query("select count(*) from users where copy is distinct from handle") == [(0,)]
    assert database.query("select rows_total from backfill.checkpoint") == [(2000,)]
    assert done < 2000


SKIP = "on_row_error: skip"


def users_job(directory, *more, name="users-handle", table="users"):
    return write(directory / f"{name}.yaml", job_text(name, table, {"handle": "username"}, "handle IS NULL", *more))


def aside(database):
    return database.query("select leaf, key from backfill.rejected order by leaf, tid")


def count_updates(database):
    """Write down each row that is updated and commits."""
    database.query("create unlogged table touched (id bigint)")
    database.query(
        "create function count_update() returns trigger language plpgsql security definer as"
        " 'begin insert into touched values (new.id); return null; end'"
    )
    database.query("create trigger counted after update on users for each row execute function count_update()")


@pytest.mark.timeout(120)
def test_one_bad_row_of_many_and_three_in_a_row_cost_a_search_each_and_no_row_twice(database, tmp_path):
    rows = 60_000
    make_users(database, rows)
    count_updates(database)
    database.query("alter table users add check (handle not in ('user41000', 'user20001', 'user20002', 'user20003'))")
    with run_job(database.worker_dsn, users_job(tmp_path, SKIP)) as worker:
        assert worker.end() == 3, worker.stderr
    bad = [20_001, 20_002, 20_003, 41_000]
    assert aside(database) == [("public.users", f'{{"id": {row}}}') for row in bad]
    assert database.query("select count(*), count(distinct id) from touched") == [(rows - 4, rows - 4)]
    refused = worker.all_of("BatchRefused")
    searches = [event for event in refused if event["rows"] == event["rows_searched"]]
    assert len(searches) <= 8, "the last stripe of a window meets them again"
    assert len(refused) <= 2 * (14 + 8)
    assert worker.all_of("RetryScheduled") == []
    [finished] = worker.all_of("Finished")
    assert (finished["rows_total"], finished["rows_rejected"], finished["rows_unconverged"]) == (rows - 4, 4, 0)


def test_every_row_bad_halts_at_the_bound(database, tmp_path):
    make_users(database, 3000)
    database.query("alter table users add check (handle is null)")
    job = users_job(tmp_path, SKIP, "max_rejected: 20", "lanes: 2")
    ended = backfill("run", job, "--http", "off", dsn=database.worker_dsn)
    assert ended.code == 4, ended
    assert "(max_rejected): that many rows are no longer exceptions; the last one is " in ended.stderr
    assert 20 <= len(aside(database)) <= 21
    assert database.query("select count(handle) from users") == [(0,)]
    assert database.query("select state from backfill.job") == [("halted",)]
    database.query("alter table users drop constraint users_handle_check")
    assert backfill("run", job, "--http", "off", dsn=database.worker_dsn).code == 0
    assert aside(database) == []


@pytest.mark.long
@pytest.mark.timeout(120)
def test_killed_between_rejections_the_next_worker_goes_on_with_their_count(database, tmp_path):
    rows = 12_000
    make_users(database, rows)
    count_updates(database)
    database.query("alter table users add check (handle is null or right(handle, 3) <> '500')")
    bad = {row for row in range(1, rows + 1) if row % 1000 == 500}
    chance, kills = random.Random(4), 0
    job = users_job(tmp_path, SKIP, "max_rejected: 20", "lanes: 2")
    while True:
        with run_job(database.worker_dsn, job) as worker:
            allowance = chance.randint(1, 4) if kills < 3 else None
            for event in worker.each():
                if event["event"] == "RowRejected" and allowance is not None:
                    allowance -= 1
                    if allowance == 0:
                        worker.kill()
                        kills += 1
                        break
            else:
                assert worker.end() == 3, worker.stderr
                break
    [finished] = worker.all_of("Finished")
    assert (finished["rows_total"], finished["rows_rejected"]) == (rows - len(bad), len(bad))
    assert {json.loads(key)["id"] for _, key in aside(database)} == bad
    assert database.query("select count(*), count(distinct id) from touched") == [(rows - len(bad),) * 2]


@pytest.mark.oldest
@pytest.mark.timeout(120)
def test_a_row_that_is_too_slow_is_named_or_rejected_and_the_others_are_filled(database, tmp_path):
    make_users(database, 7)
    expression = "CASE WHEN id = 7 THEN (SELECT 'slow' FROM pg_sleep(20)) ELSE username END"
    limits = ("statement_timeout: 1s", "lock_timeout: 500ms")
    text = job_text("slow", "users", {"handle": expression}, "handle IS NULL", *limits)
    ended = backfill("run", write(tmp_path / "slow.yaml", text), "--http", "off", dsn=database.worker_dsn)
    assert ended.code == 1
    said = 'row {"id": 7} of public.users takes longer than statement_timeout 1s, 3 times alone: '
    assert json.loads(ended.stderr.splitlines()[-1])["why"].startswith(said)
    assert database.query("select count(*) from users where handle is null") != [(0,)]
    text = job_text("slow", "users", {"handle": expression}, "handle IS NULL", *limits, SKIP)
    ended = backfill("run", write(tmp_path / "slow.yaml", text), "--http", "off", dsn=database.worker_dsn)
    assert ended.code == 3, ended
    assert aside(database) == [("public.users", '{"id": 7}')]
    assert database.query("select sqlstate from backfill.rejected") == [("57014",)]
    assert database.query("select id from users where handle is null") == [(7,)]


def test_partitions_keep_their_rows_apart_and_one_that_is_fixed_is_filled_by_the_next_run(database, tmp_path):
    database.query("create table users (id int primary key, username text, handle text) partition by range (id)")
    for number in range(3):
        low = number * 1000
        database.query(f"create table users_{number} partition of users for values from ({low}) to ({low + 1000})")
    database.query("insert into users select i, 'user' || i from generate_series(0, 2999) i")
    database.query("alter table users add constraint short check (handle not in ('user5', 'user1005', 'user1006'))")
    job = users_job(tmp_path, SKIP)
    ended = backfill("run", job, "--http", "off", "--json", dsn=database.worker_dsn)
    assert ended.code == 3, ended
    assert aside(database) == [
        ("public.users_0", '{"id": 5}'),
        ("public.users_1", '{"id": 1005}'),
        ("public.users_1", '{"id": 1006}'),
    ]
    assert 'public.users_1 {\\"id\\": 1005}: new row for relation' in ended.stdout
    database.query("update users set username = 'mended' where id in (5, 1005)")
    ended = backfill("run", job, "--http", "off", dsn=database.worker_dsn)
    assert ended.code == 3, ended
    assert aside(database) == [("public.users_1", '{"id": 1006}')]
    assert database.query("select id from users where handle is null") == [(1006,)]
    database.query("delete from users where id = 1006")
    again = backfill("retry-rejected", job, "--json", dsn=database.worker_dsn)
    assert again.code == 0, again
    told = [json.loads(line) for line in again.stdout.splitlines()]
    assert [(one["key"], one["result"]) for one in told if one["event"] == "RowRetried"] == [('{"id": 1006}', "gone")]
    assert backfill("run", job, "--http", "off", dsn=database.worker_dsn).code == 0


def test_trying_again_reports_who_has_the_lock_and_that_a_job_never_began(database, tmp_path):
    make_users(database, 20_000)
    job = users_job(tmp_path, SKIP, "throttle: {max_wal_rate: 64kB/s}")
    ended = backfill("retry-rejected", job, dsn=database.worker_dsn)
    assert (ended.code, ended.stdout) == (2, "")
    assert "job 'users-handle' was never started in this database" in ended.stderr
    with running(database.worker_dsn, "run", str(job), "--json", "--http", "off") as worker:
        worker.until("BatchDone")
        began_s = time.monotonic()
        ended = backfill("retry-rejected", job, dsn=database.worker_dsn)
        assert time.monotonic() - began_s < 20
        assert ended.code == 75
        assert "job 'users-handle' is locked by backfill:users-handle@" in ended.stderr
