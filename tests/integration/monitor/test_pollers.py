"""What a job file names beside its table: probes and conninfos, wrong ones told at their place before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from backfill.postgres.plan.make import make_plan
from backfill.values.errors import JobError
from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import job_file, make_users, session

pytestmark = pytest.mark.anyio


def probing(sql: str) -> dict[str, Any]:
    return {"probes": [{"name": "one", "sql": "1", "max": 1}, {"name": "two", "sql": sql, "max": 1}]}


@pytest.mark.parametrize(
    ("throttle", "words"),
    [
        (probing("SELECT count(*) FROM nothing"), r'job.yaml:5:\d+: relation "nothing" does not exist'),
        (probing("(SELECT 1, 2)"), "job.yaml:5:.*: subquery must return only one column"),
        (probing("nonsense"), r'job.yaml:5:\d+: column "nonsense" does not exist'),
        (
            {"replicas": {"direct": ["host=a nonsense"]}},
            r"job.yaml:5:\d+: the connection string cannot be parsed: a keyword or a value is not allowed here",
        ),
        (
            {"replicas": {"direct": ["hots=a"]}},
            r"job.yaml:5:\d+: the connection string cannot be parsed: unknown keyword; did you mean 'host'?",
        ),
    ],
)
async def test_a_mistake_is_reported_at_its_position(database: Database, throttle: dict[str, Any], words: str):
    make_users(database, 10)
    job = job_file(throttle=throttle)
    with pytest.raises(JobError, match=words):
        async with session(database.dsn, job):
            pass
    with pytest.raises(JobError, match=words):
        await make_plan(database.dsn, job)
    assert database.query("select to_regclass('backfill.job')") == [(None,)]


async def test_a_plan_names_replicas_that_are_asked_themselves(cluster: Cluster, database: Database):
    make_users(database, 10)
    job = job_file(throttle={"replicas": {"direct": ["host=db1 port=5433", "service=reports"]}})
    assert (await make_plan(database.dsn, job)).replicas == ("replica-a", "replica-b", "db1:5433", "reports")
