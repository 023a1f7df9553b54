"""Rows of the state that somebody changed by hand: one sentence that names the row, and no other job suffers."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from backfill.postgres.state.decisions import read_decisions
from backfill.postgres.state.overrides import tune
from backfill.postgres.state.request import Asked
from backfill.postgres.state.status import read_status
from backfill.table.row_counts import BatchRange
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import BackfillError, Halted
from tests.fixtures_postgres import Database
from tests.integration.jobs import fill, job_file, make_users, next_cut, open_leaf, run, run_sql, session
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

JOB = job_file()
REMOVE = "remove the state of the job (filled rows stay filled): DELETE FROM backfill.job WHERE name = 'users-handle';"


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, and no job in the state schema."""
    run_sql(shared, "drop table if exists users, other cascade", "drop schema if exists backfill cascade")
    make_users(shared, 200)
    return shared


async def begun(users: Database) -> None:
    """Leave a job in its middle, and another one that is done."""
    run_sql(users, "create table other as select * from users")
    await run(users.dsn, job_file(name="other", table="other"))
    async with session(users.dsn, JOB) as worker:
        opened = await open_leaf(worker)
        cut = await next_cut(worker, opened.checkpoints[0], 50)
        await fill(worker, opened.checkpoints[0], cut)


EDITS: dict[str, tuple[str, str | None, str | None]] = {
    # what was changed, what `run` says, what `status` says; None: nothing, it goes on
    "spec is a list": ("update backfill.job set spec = '[]'", "spec is '[]', not an object", "spec names no table"),
    "spec is empty": ("update backfill.job set spec = '{}'", None, "spec names no table"),
    "spec has numbers": ("""update backfill.job set spec = '{"table": [1]}'""", None, None),
    "overrides are a list": ("update backfill.job set tuned = '[]'", "tuned is '[]', not an object", None),
    "an override is a number": (
        """update backfill.job set tuned = '{"max_lag": 5}'""",
        "tuned.max_lag is '5', not a text",
        None,
    ),
    "the epoch is the largest": (
        "update backfill.checkpoint set epoch = 9223372036854775807",
        "bigint out of range",
        "a checkpoint has an epoch, a sequence or a count",
    ),
    "the epoch is huge": (
        "update backfill.checkpoint set epoch = 9223372036854775000",
        "epoch, sequence or a count of public.users is negative or beyond what fits",
        "a checkpoint has an epoch, a sequence or a count",
    ),
    "the sequence is huge": (
        "update backfill.checkpoint set sequence = 9223372036854775807",
        "epoch, sequence or a count of public.users is negative or beyond what fits",
        "a checkpoint has an epoch, a sequence or a count",
    ),
    "a count is the largest": (
        "update backfill.checkpoint set rows_total = 9223372036854775807, wal_bytes = 9223372036854775807",
        "epoch, sequence or a count of public.users is negative or beyond what fits",
        "a checkpoint has an epoch, a sequence or a count",
    ),
    "sizes hold no numbers": ("update backfill.checkpoint set sizes = '{NULL, 4}'", None, None),
    "sizes have two dimensions": ("update backfill.checkpoint set sizes = '{{1,2},{3,4}}'", None, None),
    "a proof is a text": (
        "update backfill.checkpoint set proof = '\"done\"'",
        "proof is '\"done\"', not an object",
        None,
    ),
    "a proof counts texts": (
        """update backfill.checkpoint set proof = '{"rows_left": "no", "samples": [], "took_s": 1}'""",
        "proof.rows_left is '\"no\"'",
        None,
    ),
    "a time is infinite": ("update backfill.job set updated_at = 'infinity'", None, None),
    "the past is infinite": ("update backfill.checkpoint set updated_at = '-infinity'", None, None),
    "samples are NULL": ("update backfill.job set samples = '{NULL}'", None, None),
}


def only_this_job(edit: str) -> str:
    column = "name" if "backfill.job" in edit else "job"
    return f"{edit} where {column} = 'users-handle'"


@pytest.mark.parametrize("edit", EDITS)
async def test_a_row_that_was_changed_by_hand_is_named_and_other_jobs_are_shown(users: Database, edit: str):
    statement, run_says, status_says = EDITS[edit]
    await begun(users)
    run_sql(users, only_this_job(statement))
    jobs = {job.job: job for job in await read_status(users.dsn, None)}
    assert (jobs["other"].state, jobs["other"].rows_total) == ("done", 200)
    assert [job.job for job in await read_status(users.dsn, "users-handle")] == ["users-handle"]
    if status_says is None:
        assert jobs["users-handle"].state in ("running", "abandoned"), jobs["users-handle"]
    else:
        assert (jobs["users-handle"].state, status_says in str(jobs["users-handle"].reason)) == ("unreadable", True), (
            jobs
        )
    said = await outcome(users)
    if run_says is None:
        assert said is None or "was started with another file" in said
    else:
        remedy = "run: backfill tune users-handle --reset" if "tuned" in run_says else REMOVE
        assert said is not None
        assert said.startswith("a row of job 'users-handle' in backfill.")
        assert said.endswith(f" was changed by hand: {run_says}; correct it, or {remedy}")
        run_sql(users, remedy.partition("filled): ")[2] or "update backfill.job set tuned = '{}'")
        assert await outcome(users) is None


async def outcome(users: Database) -> str | None:
    """Run the job; return what kept it from its end."""
    with anyio.fail_after(20):
        try:
            finished, _ = await run(users.dsn, JOB)
        except BackfillError as error:
            return str(error)
    assert finished.state == "done", finished
    return None


@pytest.mark.parametrize("column", ["spec", "limits", "tuned"])
@pytest.mark.parametrize("value", ["[]", '"text"', "5", '{"set": 5}'])
async def test_tune_names_a_row_that_it_cannot_read(users: Database, column: str, value: str):
    await begun(users)
    run_sql(users, f"update backfill.job set {column} = '{value}' where name = 'users-handle'")
    with pytest.raises(Halted, match=r"a row of job 'users-handle' in backfill\.job was changed by hand: "):
        await tune(users.dsn, "users-handle", {}, Asked(), reset=False)
    if column == "tuned":
        limits = await tune(users.dsn, "users-handle", {}, Asked(), reset=True)
        assert limits.before == limits.after == limits.file
        assert await outcome(users) is None


async def test_decisions_that_cannot_be_read_are_named(users: Database):
    await begun(users)
    run_sql(users, """update backfill.batch set inputs = inputs || '{"lag_s": "long"}' where job = 'users-handle'""")
    with pytest.raises(
        Halted, match=r"in backfill\.batch was changed by hand: inputs\.lag_s is '\"long\"'; correct it"
    ):
        await read_decisions(users.dsn, "users-handle", 20)
    assert len(await read_decisions(users.dsn, "other", 20)) > 0


DELETED = "job 'users-handle' was deleted from backfill.job while it ran; what it had filled stays filled; run it again"


async def test_a_job_that_is_deleted_under_its_worker_is_the_cause(users: Database):
    async with session(users.dsn, JOB) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(users, "delete from backfill.job")
        attempts: tuple[Any, ...] = (
            lambda: fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1)),
            lambda: worker.save_checkpoint(checkpoint),
            lambda: worker.new_pass((checkpoint,)),
        )
        for attempt in attempts:
            with pytest.raises(Halted, match=DELETED):
                await attempt()
        await worker.save_wait(WaitReason(WaitKind.LAG, "replica-a lag 12s > 10s"), (SeenReplica(name="replica-a"),))
    assert users.query("select count(handle) from users") == [(0,)]


async def test_a_spec_that_is_changed_under_its_worker_is_the_cause(users: Database):
    async with Session(users.dsn, JOB) as worker:
        assert await worker.try_lock() is None
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        run_sql(users, "update backfill.job set spec = '{}'")
        with pytest.raises(Halted, match=r"in backfill\.job was changed by hand: spec names no table"):
            await fill(worker, checkpoint, BatchRange(end=checkpoint.window_limit, rows=1))
    assert users.query("select count(handle) from users") == [(0,)]
