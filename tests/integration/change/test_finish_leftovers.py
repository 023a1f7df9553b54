"""`finish` after an accident: what an earlier attempt has left is used or removed, and a refusal leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from backfill.events.ddl import DdlDone, DdlProgress
from backfill.postgres.change import finish_check
from backfill.values.errors import Halted
from tests.fixtures_postgres import Database
from tests.integration.change.finishing import (
    HANDLE_KEY,
    PLAIN,
    about,
    catalog,
    fill,
    finish,
    finish_job,
    make_table,
    until,
)
from tests.integration.jobs import run_sql

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]


@pytest.fixture
async def users(server: Database) -> Database:
    """Table users whose job is done."""
    make_table(server, *PLAIN)
    await fill(server, finish_job(not_null=["handle"]))
    return server


def after_the_checks(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let something happen between the checks of the rows and the first statement."""
    check = finish_check.check_rows

    async def checked(*arguments: object) -> None:
        await check(*arguments)  # type: ignore[arg-type]
        act()

    monkeypatch.setattr(finish_check, "check_rows", checked)


async def test_invalid_indexes_of_its_name_are_dropped_and_built_again(users: Database):
    run_sql(users, "update users set handle = 'user7' where id = 8")
    with pytest.raises(psycopg.errors.UniqueViolation):
        run_sql(users, "create unique index concurrently users_handle_key on users (handle)")
    run_sql(
        users,
        "update users set handle = 'user8' where id = 8",
        "create index users_handle_key_ccnew on users (handle)",
        "create index users_handle_key_ccnew1 on users (handle)",
        "update pg_index set indisvalid = false where indexrelid = 'users_handle_key_ccnew'::regclass",
    )
    assert [text for text in about(users, "index") if "| false |" in text]
    await finish(users, finish_job(indexes=[HANDLE_KEY]))
    assert {text.partition(" |")[0] for text in about(users, "index")} == {
        "users_pkey",
        "users_handle_key",
        "users_handle_key_ccnew1",  # valid, so it is somebody's
    }
    assert not [text for text in about(users, "index") if "| false" in text]


async def test_a_constraint_that_is_not_valid_yet_is_validated_and_not_added_again(users: Database, major: int):
    constraint = (
        "users_handle_not_null not null handle"
        if major >= 18
        else "backfill_handle_not_null check (handle is not null)"
    )
    run_sql(users, f"alter table users add constraint {constraint} not valid")
    _, events = await finish(users, finish_job(not_null=["handle"]))
    assert not [event for event in events if isinstance(event, DdlDone) and "ADD CONSTRAINT" in event.statement]
    assert "users | handle | true | " in about(users, "column")
    assert not [text for text in about(users, "constraint") if "backfill" in text or "| false |" in text]


async def test_a_row_that_turns_null_after_the_check_is_named_and_the_constraint_is_gone(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    before = catalog(users)
    after_the_checks(monkeypatch, lambda: run_sql(users, "update users set handle = null where id = 7"))
    with pytest.raises(Halted, match=r"column 'handle' is NULL in 1 row of public.users, such as \{\"id\": 7\}"):
        await finish(users, finish_job(not_null=["handle"]))
    assert catalog(users) == before
    run_sql(users, "update users set username = 'x' where id = 7", "update users set handle = 'x' where id = 7")
    monkeypatch.undo()
    assert (await finish(users, finish_job(not_null=["handle"])))[0]


async def test_a_duplicate_that_comes_after_the_check_is_named_and_the_index_is_gone(
    users: Database, monkeypatch: pytest.MonkeyPatch
):
    before = catalog(users)
    after_the_checks(monkeypatch, lambda: run_sql(users, "update users set handle = 'user7' where id = 8"))
    with pytest.raises(Halted, match=r'these keys occur more than once: \{"handle": "user7"\} in 2 rows;'):
        await finish(users, finish_job(indexes=[HANDLE_KEY]))
    assert catalog(users) == before


async def test_a_partial_index_that_we_began_is_known_by_the_state_and_another_one_is_refused(users: Database):
    job = finish_job(indexes=[{"columns": ["handle"], "name": "some", "where": "username > 'user2'"}])
    await finish(users, job)
    assert await finish(users, job) == ((), [])
    run_sql(users, "update backfill.job set finish = '{}'")
    with pytest.raises(Exception, match="the name 'some' is taken by another index"):
        await finish(users, job)


async def test_the_table_is_not_read_again_under_the_strong_lock(users: Database, major: int):
    def scans() -> int:
        [(count,)] = users.query("select seq_scan from pg_stat_user_tables where relname = 'users'")
        return int(count)

    run_sql(users, "vacuum analyze users")
    users.query("select pg_stat_reset()")
    _, events = await finish(users, finish_job(not_null=["handle"]))
    await until(lambda: scans() >= 2)
    assert scans() == 2  # one by the count of NULLs, as the table has a few pages only, and one by VALIDATE
    assert any(isinstance(event, DdlDone) and "VALIDATE" in event.statement for event in events)
    assert not [event for event in events if isinstance(event, DdlProgress)]


async def test_an_index_that_another_session_builds_is_waited_for_and_not_dropped(users: Database):
    with psycopg.connect(f"{users.dsn} application_name=report") as report:
        report.execute("update users set username = username where id = 1")  # the build waits for such locks
        building = asyncio.ensure_future(
            asyncio.to_thread(run_sql, users, "create unique index concurrently users_handle_key on users (handle)")
        )
        await until(lambda: users.query("select 1 from pg_stat_progress_create_index where phase like 'waiting%'"))
        finishing = asyncio.ensure_future(finish(users, finish_job(indexes=[HANDLE_KEY | {"constraint": False}])))
        await asyncio.sleep(0.5)
        report.rollback()
        await building
        _, events = await finishing
    assert any(isinstance(event, DdlProgress) and "builds it" in event.what for event in events)
    assert not [event for event in events if isinstance(event, DdlDone)]
