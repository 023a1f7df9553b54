"""Jobs that join: each row that has a partner is filled once, and each that cannot be is counted for what it is."""

from __future__ import annotations

from typing import Any

import pytest

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import PassDone, Verified
from backfill.postgres.plan.make import make_plan
from backfill.table.batch import TooManyRows
from backfill.values.errors import JobError
from tests.factories import admission, run_order
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, next_cut, open_leaf, run, run_sql, session
from tests.integration.work.joining import MEANT, NUMBERLESS, USERS, joining

pytestmark = pytest.mark.anyio


def handles(database: Database) -> list[str | None]:
    return [handle for (handle,) in database.query("select handle from users order by place")]


def told(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


TRIGGER = (
    "create function nothing() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger nothing before update on users for each row execute function nothing()",
)


@pytest.mark.parametrize("meant", MEANT)
async def test_a_row_is_filled_by_a_partner_that_ends_it_or_it_is_counted(joined_users: Database, meant: str):
    means = MEANT[meant]
    finished, events = await run(joined_users.worker_dsn, joining(where=means.where))
    stuck = [one for one in USERS if means.to_do(*one) and not means.mended(*one)]
    for (before, partners), now in zip(USERS, handles(joined_users), strict=True):
        if not means.to_do(before, partners):
            assert now == before
        elif means.mended(before, partners):
            assert now in partners
            assert not means.to_do(now, partners)
        else:
            assert means.to_do(now, partners)
    assert (finished.state, finished.rows_unconverged) == ("unconverged", len(stuck))
    verified = told(events, Verified)[-1]
    without = [one for one in stuck if not one[1]]
    words = "4 have no partner in public.accounts, for the others 'where' stays true after the update; for example"
    assert (words if means.alone else "'where' stays true for them after the update; for example") in finished.why
    assert verified.rows_without_partner == len(without) == (NUMBERLESS + 1 if means.alone else 0)
    assert len(told(events, PassDone)) == len(told(events, Verified)) <= 2
    assert len(finished.samples) == 5


async def test_where_nothing_is_foreseen_the_passes_end_all_the_same(joined_users: Database):
    """Rows without a partner are never updated, and rows of which two partners want different things always."""
    run_sql(joined_users, *TRIGGER)
    for number, means in enumerate(MEANT.values()):
        job = joining(where=means.where, name=f"job-{number}")
        assert not (await make_plan(joined_users.dsn, job)).foreseen
        finished, events = await run(joined_users.worker_dsn, job)
        left = [
            now for now, (_, partners) in zip(handles(joined_users), USERS, strict=True) if means.to_do(now, partners)
        ]
        assert (finished.state, finished.rows_unconverged) == ("unconverged", len(left))
        assert len(left) >= len([one for one in USERS if means.to_do(*one) and not means.mended(*one)])
        assert finished.passes <= 4
        assert told(events, Verified)[-1].rows_without_partner == (NUMBERLESS + 1 if means.alone else 0)


@pytest.mark.parametrize("meant", MEANT)
async def test_a_scout_counts_rows_and_not_pairs_so_that_the_cap_is_exact(joined_users: Database, meant: str):
    means = MEANT[meant]
    job = joining(where=means.where, batch={"stripes": 2, "max_rows": 7, "rows": 7, "min_rows": 1})
    stripes = joined_users.query("select get_byte(tidsend(ctid), 5) & 1 from users order by place")
    first = [one for one, stripe in zip(USERS, stripes, strict=True) if stripe == (0,)]
    async with session(joined_users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        whole = await next_cut(worker, checkpoint)
        assert whole.rows == len([one for one in first if one[1] and means.to_do(*one)]) > 7
        assert await run_order(worker.lane, checkpoint, whole, admission(whole.rows)) == TooManyRows(whole.rows)
        while checkpoint.stripe == 0:
            batch_range = await next_cut(worker, checkpoint, 7)
            done = await fill(worker, checkpoint, batch_range)
            assert done.rows == batch_range.rows <= 7
            checkpoint = done.checkpoint


async def test_a_table_of_which_no_row_has_a_partner_is_only_read(joined_users: Database):
    run_sql(joined_users, "delete from accounts")
    finished, events = await run(joined_users.worker_dsn, joining())
    lonely = len([handle for handle, _ in USERS if handle is None])
    assert (finished.state, finished.rows_total, finished.rows_unconverged) == ("unconverged", 0, lonely)
    assert finished.why.startswith(
        f"{lonely} rows cannot converge: they have no partner in public.accounts; for example"
    )
    assert told(events, BatchDone) == []
    run_sql(joined_users, "insert into accounts select id, 'late' from users where id % 2 = 0")
    finished, events = await run(joined_users.worker_dsn, joining())
    assert finished.rows_total == len([None for handle in handles(joined_users) if handle == "late"]) > 0
    assert finished.rows_unconverged == lonely - finished.rows_total


async def test_a_condition_on_the_joined_table_asks_for_joined_rows_only(joined_users: Database):
    job = joining(where="handle IS NULL AND nick <> 'b'")
    finished, _ = await run(joined_users.worker_dsn, job)
    assert (finished.state, finished.why) == ("done", "every row is filled")
    wanted = [{"a", "b2"} & set(partners) if handle is None else {handle} for handle, partners in USERS]
    assert all(now in names if names else now is None for now, names in zip(handles(joined_users), wanted, strict=True))


async def test_a_first_batch_in_which_no_partner_ends_a_row_is_rolled_back_and_shown(joined_users: Database):
    before = joined_users.query("select ctid, xmin, handle from users order by place")
    with pytest.raises(JobError) as caught:
        await run(
            joined_users.worker_dsn,
            joining(set={"handle": "NULL"}, where="handle IS DISTINCT FROM nick AND nick = 'a'"),
        )
    assert "for example row (0," in str(caught.value)
    assert '} → {"handle": null}' in str(caught.value)
    assert joined_users.query("select ctid, xmin, handle from users order by place") == before


@pytest.mark.parametrize("where", ["n IS NULL", "n IS NULL AND nick <> ''"])
async def test_set_is_asked_of_partners_only_whatever_the_order_in_which_the_server_joins(
    joined_users: Database, where: str
):
    """An account of nobody has a nick that no number is made of, and the proof reads accounts as a whole."""
    run_sql(
        joined_users,
        "alter table users add n int",
        "drop index accounts_user_id_idx",
        "delete from accounts",
        "insert into accounts select id, case when id % 2 = 0 then (id * 2)::text end from users where id > 5",
        "insert into accounts select i, 'x' from generate_series(1000, 9000) i",
        "analyze accounts",
    )
    finished, _ = await run(joined_users.worker_dsn, joining(set={"n": "nick::int"}, where=where))
    left = joined_users.query("select count(*) from users where n is null")
    assert left == [(6 + NUMBERLESS + (len(USERS) - NUMBERLESS - 6) // 2,)]
    assert finished.rows_unconverged == (left[0][0] if where == "n IS NULL" else 0)
