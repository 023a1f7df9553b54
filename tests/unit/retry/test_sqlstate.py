"""The table of what a SQLSTATE means, held against PostgreSQL's own list of codes as the driver has it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from backfill.retry.sqlstate import (
    _REMEDIES,
    BACKOFF_MAX_S,
    BACKOFF_S,
    BOUNDS,
    CANCELED,
    FUNCTION_DIED,
    PATIENT_MAX_S,
    Remedy,
    backoff_s,
    classify,
    remedy,
    timed_out,
)

POLICY = [
    ("40001", Remedy.RETRY),
    ("40000", Remedy.RETRY),
    ("57000", Remedy.RETRY),
    ("72000", Remedy.RETRY),
    ("40P01", Remedy.SHRINK),
    ("55P03", Remedy.SHRINK),
    ("53200", Remedy.SHRINK),
    ("53400", Remedy.SHRINK),
    (FUNCTION_DIED, Remedy.SHRINK),
    ("57014", Remedy.SPLIT_ON_TIMEOUT),
    ("53300", Remedy.WAIT),
    ("57P03", Remedy.WAIT),
    ("55006", Remedy.WAIT),
    ("HV00N", Remedy.WAIT),
    ("57P01", Remedy.RECONNECT),
    ("57P02", Remedy.RECONNECT),
    ("57P05", Remedy.RECONNECT),
    ("08006", Remedy.RECONNECT),
    ("25P03", Remedy.RECONNECT),
    ("25P04", Remedy.RECONNECT),
    ("40003", Remedy.RECONNECT),
    ("25006", Remedy.HALT),
    ("53100", Remedy.HALT),
    ("42501", Remedy.HALT),
    ("57P04", Remedy.HALT),
    ("58030", Remedy.HALT),
    ("XX001", Remedy.HALT),
    ("XX002", Remedy.HALT),
    ("0A000", Remedy.ISOLATE_ROW),
    ("20000", Remedy.ISOLATE_ROW),
    ("21000", Remedy.ISOLATE_ROW),
    ("22001", Remedy.ISOLATE_ROW),
    ("22012", Remedy.ISOLATE_ROW),
    ("22P02", Remedy.ISOLATE_ROW),
    ("23503", Remedy.ISOLATE_ROW),
    ("23505", Remedy.ISOLATE_ROW),
    ("23514", Remedy.ISOLATE_ROW),
    ("27000", Remedy.ISOLATE_ROW),
    ("38000", Remedy.ISOLATE_ROW),
    ("39P01", Remedy.ISOLATE_ROW),
    ("40002", Remedy.ISOLATE_ROW),
    ("44000", Remedy.ISOLATE_ROW),
    ("54000", Remedy.ISOLATE_ROW),
    ("54001", Remedy.ISOLATE_ROW),
    ("P0001", Remedy.ISOLATE_ROW),
    ("P0004", Remedy.ISOLATE_ROW),
    ("XX000", Remedy.ISOLATE_ROW),
    ("AB123", Remedy.ISOLATE_ROW),
    ("42703", Remedy.FAIL),
    ("42P01", Remedy.FAIL),
    ("25P02", Remedy.FAIL),
    ("55000", Remedy.FAIL),
    ("", Remedy.FAIL),
    ("connection", Remedy.FAIL),
]
CODES = {code for code in errors._sqlcodes if re.fullmatch("[0-9A-Z]{5}", code)}
GO_ON = (Remedy.RETRY, Remedy.SHRINK, Remedy.WAIT, Remedy.RECONNECT)


@pytest.mark.parametrize(("sqlstate", "found"), POLICY)
def test_a_sqlstate_has_its_remedy(sqlstate: str, found: Remedy):
    assert classify(sqlstate) is found


def test_every_class_of_the_servers_is_in_the_table():
    """What is not in it counts as somebody's own, so none may be forgotten."""
    classes = {code[:2] for code in CODES}
    assert len(classes) > 35
    assert classes - set(_REMEDIES) == set()


def test_every_code_of_the_table_is_the_servers_or_our_own():
    listed = {code for code in _REMEDIES if len(code) == 5}
    assert listed <= CODES | {"25P04"}, "of which 25P04 is younger than the driver's list may be"


@given(st.text(max_size=16), st.integers(1, 10**6), st.booleans())
def test_every_failure_has_a_remedy(sqlstate: str, failures: int, timeout: bool):
    assert remedy(sqlstate, failures, timeout=timeout) in Remedy


@given(st.sampled_from([code for code, found in POLICY if found in GO_ON]), st.integers(1, 10**9), st.floats(0.0, 1.0))
def test_what_may_be_fixed_is_tried_forever_but_slowly(sqlstate: str, failures: int, jitter: float):
    found = remedy(sqlstate, failures)
    assert found in GO_ON
    delay_s = backoff_s(failures, jitter, found)
    assert BACKOFF_S / 2 <= delay_s <= PATIENT_MAX_S
    if failures > 50:
        assert delay_s >= BACKOFF_MAX_S / 2


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_what_fails_often_waits_longer_in_the_end(sqlstate: str):
    bound = BOUNDS[classify(sqlstate)].tries
    assert bound is not None
    assert remedy(sqlstate, bound) is classify(sqlstate)
    assert remedy(sqlstate, bound + 1) is Remedy.WAIT


def test_what_shrinks_has_come_to_one_row_before_it_only_waits():
    bound = BOUNDS[Remedy.SHRINK].tries
    assert bound is not None
    assert 2**bound >= 1_000_000


def test_a_row_alone_that_is_too_slow_is_refused_after_some_tries_and_one_that_breaks_a_constraint_at_once():
    assert [remedy(CANCELED, failures) for failures in range(1, 5)] == [Remedy.SPLIT_ON_TIMEOUT] * 3 + [
        Remedy.ISOLATE_ROW
    ]
    assert [remedy("23514", failures) for failures in (1, 2)] == [Remedy.ISOLATE_ROW, Remedy.FAIL]


def test_a_statement_that_a_person_cancels_is_tried_again():
    assert timed_out(CANCELED, 15.2, 15.0)
    assert not timed_out(CANCELED, 3.0, 15.0)
    assert not timed_out("23514", 20.0, 15.0)
    assert remedy(CANCELED, timeout=False) is Remedy.RETRY


def test_the_wait_doubles_up_to_its_bound():
    assert [backoff_s(attempt, 1.0) for attempt in range(1, 5)] == [
        BACKOFF_S,
        2 * BACKOFF_S,
        4 * BACKOFF_S,
        8 * BACKOFF_S,
    ]
    assert backoff_s(1000, 1.0) == BACKOFF_MAX_S
    assert backoff_s(1000, 1.0, Remedy.WAIT) == PATIENT_MAX_S


@given(st.integers(1, 10**9), st.floats(0.0, 1.0))
def test_the_wait_is_never_nothing_and_never_above_its_bound(attempt: int, jitter: float):
    assert BACKOFF_S / 2 <= backoff_s(attempt, jitter) <= BACKOFF_MAX_S


def test_jitter_takes_at_most_half():
    assert backoff_s(3, 0.0) == backoff_s(3, 1.0) / 2
