"""Limits on connections: what a job needs, what it may do without, and which limit is in the way of another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backfill.retry.connection_limits import ConnectionLimits, find_reached, find_tight, find_too_few, needed
from tests.factories import job

NONE = ConnectionLimits(
    role="w", database="shop", superuser=False, role_limit=None, role_used=1, database_limit=None, database_used=40,
    server_limit=97, server_used=50,
)  # fmt: skip
PROBED = {"throttle": {"probes": [{"name": "queue", "sql": "SELECT 1", "max": 5}]}}


def test_each_lane_needs_one_and_sql_probes_one_together():
    assert needed(job()) == 1
    assert needed(job(lanes=3, **PROBED)) == 4


@pytest.mark.parametrize(
    ("limits", "keys", "said"),
    [
        ({}, {"lanes": 16}, None),
        ({"role_limit": 2}, {"lanes": 2}, None),
        (
            {"role_limit": 2},
            {"lanes": 2, **PROBED},
            (
                "role 'w' may have 2 connections (CONNECTION LIMIT), and this job needs 3, one of them for SQL probes;"
                " run: ALTER ROLE w CONNECTION LIMIT 5; or set lanes: 1"
            ),
        ),
        (
            {"database_limit": 1},
            PROBED,
            (
                "database 'shop' may have 1 connection (CONNECTION LIMIT), and this job needs 2, one of them for SQL probes;"
                " run: ALTER DATABASE shop CONNECTION LIMIT 4;"
            ),
        ),
        ({"role_limit": 1, "superuser": True}, {"lanes": 2}, None),
    ],
)
def test_too_few_are_named_with_what_would_be_enough(limits, keys, said):
    assert find_too_few(replace(NONE, **limits), job(**keys)) == said


def test_a_tight_limit_is_named_with_what_the_job_does_without():
    assert find_tight(NONE, job()) is None
    assert find_tight(replace(NONE, role_limit=3), job()) is None
    assert "may have 2 connections (CONNECTION LIMIT), and 3 are best" in str(
        find_tight(replace(NONE, role_limit=2), job())
    )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, None),
        ({"role_limit": 2}, None),
        (
            {"role_limit": 1},
            "role 'w' has 1 of 1 connections (CONNECTION LIMIT); run: ALTER ROLE w CONNECTION LIMIT 3;",
        ),
        (
            {"database_limit": 40},
            (
                "database 'shop' has 40 of 40 connections (CONNECTION LIMIT); end sessions of it,"
                " or run: ALTER DATABASE shop CONNECTION LIMIT 42;"
            ),
        ),
        ({"server_used": 97}, "the server has 97 of 97 connections (max_connections); end idle sessions, or raise it"),
        ({"role_limit": 1, "superuser": True}, None),
    ],
)
def test_the_limit_that_is_reached_is_named(limits, said):
    assert find_reached(replace(NONE, **limits)) == said
