"""Limits of a job are changed by name, alone, and never into a contradiction."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.cli.commands.tune import tune
from backfill.jobfile.overrides import LIMITS, parse, shown_limits, with_overrides
from backfill.values.errors import JobError
from tests.factories import MB, job

PROBE = {"name": "active", "sql": "SELECT 1", "max": 3}


def words_of(*pairs: str, **changed) -> str:
    with pytest.raises(JobError) as caught:
        with_overrides(job(**changed), parse(pairs))
    return str(caught.value)


def test_limits_are_changed_and_nothing_else():
    before = job(throttle={"probes": [PROBE], "replicas": {"ignore": ["dr-*"]}}, batch={"stripes": 4})
    after = with_overrides(
        before, parse(["max_lag=2s", "batch.max_rows=20000", "replicas.require=a, b", "lock_timeout=50ms"])
    )
    assert (after.throttle.max_lag_s, after.batch.max_rows, after.lock_timeout_s) == (2.0, 20_000, 0.05)
    assert (after.throttle.replicas.require, after.throttle.replicas.ignore) == (("a", "b"), ("dr-*",))
    assert (after.assignments, after.where, after.throttle.probes) == (
        before.assignments,
        before.where,
        before.throttle.probes,
    )
    assert after.batch.stripes == 4


def test_no_change_is_the_same_job():
    assert with_overrides(job(), {}) == job()


def test_an_empty_list_takes_names_back():
    before = job(throttle={"replicas": {"require": ["a"]}})
    assert with_overrides(before, parse(["replicas.require="])).throttle.replicas.require == ()


def test_a_limit_may_be_named_as_in_the_job_file():
    assert parse(["throttle.max_lag=5s"]) == {"max_lag": "5s"}


def test_a_limit_of_a_later_version_is_left_alone():
    assert with_overrides(job(), {"max_moons": "3", "max_lag": "3s"}).throttle.max_lag_s == 3.0


def test_every_limit_is_shown_as_it_may_be_written():
    limits = shown_limits(job())
    assert tuple(limits) == LIMITS
    assert with_overrides(job(), {name: text for name, text in limits.items() if text}) == job()


def test_sizes_are_postgresqls():
    assert with_overrides(job(), {"max_lag_bytes": "1MB"}).throttle.max_lag_bytes == MB


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["max_lag"], "not a limit and its value: 'max_lag'; write one such as max_lag=5s"),
        (["maxlag=5s"], "unknown limit 'maxlag'; did you mean 'max_lag'?"),
        (["stripes=4"], f"unknown limit 'stripes'; there are {', '.join(LIMITS)}"),
        (["max_lag=5s", "max_lag=6s"], "limit 'max_lag' is given twice"),
        (["max_lag=5"], "'max_lag' is not a duration: '5'; write a number and us, ms, s, m, h or d, such as 250ms"),
        (["max_lag=1ms"], "'max_lag' is '1ms'; allowed are 100ms to 1d"),
        (["replicas.min=-1"], "'min' is '-1'; allowed are 0 to 1000"),
        (["batch.max_rows=10"], "'min_rows' 1000 is above 'max_rows' 10"),
        (["lock_timeout=20s"], "'statement_timeout' 15s is not above 'lock_timeout' 20s"),
        (["replicas.require=a", "replicas.ignore=*"], "'a' is required, but ignored by '*'"),
    ],
)
def test_what_is_wrong_is_reported_in_words(pairs: list[str], words: str):
    assert words_of(*pairs) == words


@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_words_are_limits_or_an_error(words: list[str]):
    with suppress(JobError):
        assert with_overrides(job(), parse(words)).name == job().name


def test_help_names_every_limit():
    words = set(re.findall(r"[a-z_.]+[a-z]", tune.__doc__ or ""))
    assert set(LIMITS) <= words


def test_none_is_an_empty_list_as_it_is_shown():
    assert with_overrides(job(), {"replicas.require": "none"}).throttle.replicas.require == ()
    assert with_overrides(job(), {"replicas.require": "none,replica-a"}).throttle.replicas.require == (
        "none",
        "replica-a",
    )
