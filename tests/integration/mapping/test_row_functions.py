"""A job whose values a Python function makes: the guard of its rows, and what it gives for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from backfill.events.job import PassDone
from backfill.postgres.plan.make import make_plan
from backfill.table.batch import Committed
from backfill.values.errors import BackfillError, JobError, RowRefused, WhereStaysTrue
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    asleep,
    connected,
    fill,
    next_cut,
    next_pass,
    prepared,
    run,
    run_sql,
    session,
)
from tests.integration.mapping.function_jobs import ROWS, job_of, touched, whole, wrong

pytestmark = pytest.mark.anyio


async def test_a_job_is_filled_by_its_function(users: Database, tmp_path: Path):
    finished, events = await run(users.worker_dsn, job_of(tmp_path))
    assert (finished.state, finished.rows_total, wrong(users)) == ("done", ROWS, 0)
    assert [one.rows for one in events if isinstance(one, PassDone)] == [ROWS]


@pytest.mark.parametrize("keys", [{"lanes": 3}, {"batch": {"stripes": 8, "max_rows": 50}}], ids=str)
async def test_stripes_and_lanes_give_each_row_its_own_value(users: Database, tmp_path: Path, keys: dict[str, Any]):
    touched(users)
    finished, _ = await run(users.worker_dsn, job_of(tmp_path, **keys))
    assert (finished.state, wrong(users)) == ("done", 0)
    assert users.query("select count(*), count(distinct id) from touched") == [(ROWS, ROWS)]


async def test_a_row_that_changes_while_the_function_works_is_left_to_the_next_pass(users: Database, tmp_path: Path):
    async with session(users.dsn, job_of(tmp_path)) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        run_sql(users, "update users set username = 'other' || id where id % 10 = 0", "delete from users where id = 5")
        done = await fill(worker, checkpoint, batch_range)
        assert done.rows == ROWS - ROWS // 10 - 1
        assert users.query("select count(*) from users where handle is null") == [(ROWS // 10,)]
        again = await next_pass(worker, done.checkpoint)
        done = await fill(worker, again, await next_cut(worker, again))
    assert (done.rows, wrong(users)) == (ROWS // 10, 0)


async def test_a_row_that_is_locked_or_frozen_meanwhile_is_still_the_same(users: Database, tmp_path: Path):
    async with session(users.dsn, job_of(tmp_path)) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        run_sql(users, "select from users for no key update", "vacuum (freeze) users")
        assert (await fill(worker, checkpoint, batch_range)).rows == ROWS


async def test_a_row_whose_other_columns_change_is_left_too(users: Database, tmp_path: Path):
    """It is another version of the row: whether its inputs are the same is not asked."""
    async with session(users.dsn, job_of(tmp_path)) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        run_sql(users, "update users set email = 'new' where id = 7")
        assert (await fill(worker, checkpoint, batch_range)).rows == ROWS - 1


async def test_a_row_that_another_transaction_changes_during_the_update_is_left(users: Database, tmp_path: Path):
    """Our UPDATE waits for it, and finds another version then."""
    async with session(users.dsn, job_of(tmp_path, lock_timeout="10s")) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        with psycopg.connect(users.dsn) as other:
            other.execute("update users set username = 'late' where id in (3, 500)")
            other.execute("select from users where id = 400 for update")
            async with anyio.create_task_group() as tasks:
                done: list[Committed] = []

                async def update() -> None:
                    done.append(await fill(worker, checkpoint, batch_range))

                tasks.start_soon(update)
                await asleep(users, "transactionid")
                other.commit()
    assert done[0].rows == ROWS - 2
    assert users.query("select id from users where handle is null order by id") == [(3,), (500,)]
    assert users.query("select count(*) from users where handle = 'late'") == [(0,)]


async def test_an_address_that_holds_another_row_now_is_not_taken_for_the_old_one(users: Database, tmp_path: Path):
    async with session(users.dsn, job_of(tmp_path)) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        before = users.query("select ctid::text from users where id <= 20")
        run_sql(
            users,
            "delete from users where id <= 20",
            "vacuum users",
            "insert into users select i + 5000, 'new' || i, '', null from generate_series(1, 20) i",
        )
        after = users.query("select ctid::text from users where id > 5000")
        assert set(after) & set(before)
        done = await fill(worker, checkpoint, batch_range)
    assert done.rows == ROWS - 20
    assert users.query("select count(*) from users where id > 5000 and handle is not null") == [(0,)]


async def test_a_table_rewritten_between_reading_and_updating_keeps_what_it_has(users: Database, tmp_path: Path):
    """CLUSTER keeps xmin and gives rows of one transaction each other's addresses: the file is asked for."""
    job = job_of(tmp_path)
    async with session(users.dsn, job) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        run_sql(users, "create index by_name on users (md5(username))", "cluster users using by_name")
        with pytest.raises(BackfillError, match="was rewritten"):
            await fill(worker, checkpoint, batch_range)
    assert users.query("select count(*) from users where handle is not null") == [(0,)]
    finished, _ = await run(users.worker_dsn, job)
    assert (finished.state, wrong(users)) == ("done", 0)


async def test_values_that_were_held_serve_smaller_batches(users: Database, tmp_path: Path):
    """A call gives values for more rows than the throttle lets through at once."""
    calls = tmp_path / "calls"
    module = f"def f(rows):\n    open({str(calls)!r}, 'a').write('x')\n    return [row['username'].upper() for row in rows]\n"
    async with session(users.dsn, job_of(tmp_path, module)) as worker:
        checkpoint, batch_range = await whole(worker)
        await worker.map_rows(checkpoint, batch_range)
        while not checkpoint.pass_done:
            checkpoint = (await fill(worker, checkpoint, await next_cut(worker, checkpoint, 100))).checkpoint
    assert (calls.read_text(), wrong(users)) == ("x", 0)


async def test_rows_that_the_function_gives_nothing_for_are_stuck(users: Database, tmp_path: Path):
    run_sql(users, "update users set username = null where id % 100 = 0")
    finished, _ = await run(users.worker_dsn, job_of(tmp_path))
    assert (finished.state, finished.rows_unconverged) == ("unconverged", ROWS // 100)
    assert finished.why.startswith("10 rows cannot converge: 'where' stays true for them after the update;")
    assert wrong(users) == 0


async def test_a_function_that_converges_no_row_is_stopped_at_its_first_batch(users: Database, tmp_path: Path):
    with pytest.raises(WhereStaysTrue) as caught:
        await run(users.worker_dsn, job_of(tmp_path, "def f(rows):\n    return [None] * len(rows)\n"))
    assert 'row {"id": ' in str(caught.value)
    assert '{"handle": null} → {"handle": null}' in str(caught.value)


async def test_rows_that_a_trigger_keeps_as_they_are_are_counted(users: Database, tmp_path: Path):
    run_sql(
        users,
        "create or replace function skip() returns trigger language plpgsql as"
        " 'begin return case when new.id > 900 then null else new end; end'",
        "create trigger skip before update on users for each row execute function skip()",
    )
    finished, _ = await run(users.worker_dsn, job_of(tmp_path))
    assert (finished.state, finished.rows_total) == ("unconverged", 900)
    assert users.query("select count(*) from users where handle is null") == [(100,)]


async def test_several_columns_and_sql_beside_them(users: Database, tmp_path: Path):
    run_sql(users, 'alter table users add size int, add note varchar(20), add "Half" numeric(10, 2)')
    module = "def f(rows):\n    return [{'handle': r['username'], 'Half': r['id'] / 2} for r in rows]\n"
    assigned = {"size": "length(username)", "handle": "python", "note": "'by ' || username", '"Half"': "python"}
    finished, _ = await run(users.worker_dsn, job_of(tmp_path, module, inputs=["username", "id"], set=assigned))
    assert finished.state == "done"
    right = "handle = username and size = length(username) and note = 'by ' || username and \"Half\" = id / 2.0"
    assert users.query(f"select count(*) from users where {right}") == [(ROWS,)]


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("varchar(4)", "'12345'", "value too long for type character varying(4)"),
        ("char(4)", "'12345'", "value too long for type character(4)"),
        ("bit(4)", "'10101'", "bit string length 5 does not match type bit(4)"),
        ("numeric(3, 1)", "123.4", "numeric field overflow"),
        ("integer", "'x'", 'invalid input syntax for type integer: "x"'),
        ("integer", "1.5", 'invalid input syntax for type integer: "1.5"'),
        ("short_text", "'12345'", "value too long for type character varying(4)"),
    ],
)
async def test_a_value_that_its_column_does_not_take_fails_and_is_not_cut_off(
    users: Database, tmp_path: Path, kind: str, given: str, words: str
):
    run_sql(
        users,
        "drop domain if exists short_text",
        "create domain short_text as varchar(4)",
        f"alter table users drop handle, add handle {kind}",
    )
    with pytest.raises(RowRefused) as caught:
        await run(users.worker_dsn, job_of(tmp_path, f"def f(rows):\n    return [{given} for _ in rows]\n"))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("python", "place", "words"),
    [
        ({"function": "nowhere:f", "inputs": ["id"]}, "5:23", "there is no module 'nowhere' in {directory}, "),
        ({"function": "functions:g", "inputs": ["id"]}, "5:33", "module 'functions' has no function 'g'"),
        (
            {"function": "functions:f", "inputs": ["id", "usrname"]},
            "5:55",
            "table 'public.users' has no column 'usrname'; did you mean 'username'?",
        ),
    ],
)
async def test_a_function_or_an_input_that_is_not_there_is_reported_before_anything_is_written(
    users: Database, tmp_path: Path, python: dict[str, Any], place: str, words: str
):
    job = job_of(tmp_path, python=python)
    with pytest.raises(JobError) as caught:
        await run(users.worker_dsn, job)
    assert str(caught.value).startswith(f"{job.file}:{place}: {words.format(directory=tmp_path)}")
    with pytest.raises(JobError, match="^" + str(caught.value)[:40]):
        await make_plan(users.dsn, job)
    assert users.query("select to_regnamespace('backfill')") == [(None,)]


async def test_a_module_that_ends_its_process_is_the_job_file_s_fault(users: Database, tmp_path: Path):
    with pytest.raises(JobError, match="the process that imports functions:f ended with exit code 5"):
        await run(users.worker_dsn, job_of(tmp_path, "import os\nos._exit(5)\n"))


async def test_a_condition_may_name_what_we_call_our_values(users: Database, tmp_path: Path):
    run_sql(users, "alter table users add backfill_tid text default 'mine', add backfill_0 text")
    finished, _ = await run(users.worker_dsn, job_of(tmp_path, where="handle IS NULL AND backfill_tid = 'mine'"))
    assert (finished.state, wrong(users)) == ("done", 0)


async def test_a_plan_shows_what_the_function_makes_of_a_few_rows(users: Database, tmp_path: Path):
    before = users.query("select md5(string_agg(ctid::text || xmin::text || users::text, '')) from users")
    plan = await make_plan(users.dsn, job_of(tmp_path, inputs=["username", "id"]))
    assert plan.samples == tuple(f"username = 'user{n}', id = {n} → handle = 'USER{n}'" for n in (1, 2, 3))
    assert not plan.foreseen
    assert any("outside the batch's transaction" in title for title, _ in plan.sql.statements)
    assert users.query("select md5(string_agg(ctid::text || xmin::text || users::text, '')) from users") == before


async def test_the_statements_are_those_of_an_ordinary_job_but_for_their_values(users: Database, tmp_path: Path):
    job = job_of(tmp_path)
    async with connected(users.dsn, job) as connection:
        _, statements = await prepared(connection, job)
    assert statements.mapped is not None
    assert [one.base for one in statements.mapped.outputs] == ["pg_catalog.text"]
    assert not statements.foreseen
