"""Proves on a real server that verify keeps a proof that holds, takes back one that does not, and fills no row."""

from __future__ import annotations

import time

import anyio
import pytest

from backfill.engine.ports import Runtime
from backfill.engine.verify_run import VerifyRun
from backfill.events.job import Finished
from backfill.jobfile.load import JobFile
from backfill.postgres.work.job_session import open_job
from backfill.values.errors import JobError, LockHeld
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run, run_sql, session

pytestmark = pytest.mark.anyio

PROOFS = "select count(*) from backfill.checkpoint where proof is not null"
ROWS = "select md5(string_agg(ctid::text || xmin::text || u::text, ',' order by ctid)) from users u"


async def verify(database: Database, job: JobFile) -> Finished:
    runtime = Runtime(record=lambda _: None, now_s=time.monotonic, sleep=anyio.sleep, jitter=lambda: 0.5)
    async with open_job(database.dsn, job) as opened:
        return await VerifyRun(job.job, opened, runtime, wait_for_lock=False).run()


async def test_a_proof_is_made_kept_and_taken_back(shared: Database):
    run_sql(shared, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(shared, 500)
    job, before = job_file(), shared.query(ROWS)
    finished = await verify(shared, job)
    assert (finished.state, finished.samples[0]) == ("stopped", '{"id": 1}')
    assert finished.why.startswith("500 rows match 'where', for example ")
    assert shared.query(ROWS) == before
    assert shared.query("select to_regnamespace('backfill')") == [(None,)], "nothing is left of a job that never ran"
    await run(shared.dsn, job)
    filled = shared.query(ROWS)
    assert (await verify(shared, job)).state == "done"
    assert (shared.query(ROWS), shared.query(PROOFS)) == (filled, [(1,)])
    assert shared.query("select state from backfill.job") == [("done",)]
    run_sql(shared, "update users set handle = null where id = 7")
    assert (await verify(shared, job)).why == (
        "1 rows match 'where', for example {\"id\": 7}; fill them: backfill run JOB.yaml"
    )
    assert shared.query(PROOFS) == [(0,)]
    assert (await run(shared.dsn, job))[0].rows_total == 501
    assert shared.query(PROOFS) == [(1,)]


async def test_rows_that_others_have_filled_are_proven_without_a_run(shared: Database):
    run_sql(shared, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(shared, 50)
    run_sql(shared, "update users set handle = username")
    assert (await verify(shared, job_file())).state == "done"
    assert shared.query(PROOFS) == [(1,)]


async def test_a_running_worker_and_another_job_file_are_named(shared: Database):
    run_sql(shared, "drop table if exists users", "drop schema if exists backfill cascade")
    make_users(shared, 50)
    await run(shared.dsn, job_file())
    async with session(shared.dsn, job_file()):
        with pytest.raises(LockHeld, match="backfill:users-handle@"):
            await verify(shared, job_file())
    with pytest.raises(JobError, match="was started with another file"):
        await verify(shared, job_file(where="handle = ''"))
    assert shared.query(PROOFS) == [(1,)]
