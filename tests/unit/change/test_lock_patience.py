"""A polite lock: who is waited for before a try, which failures are repeated, and how the waits grow."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.change.blocker import Blocker
from backfill.change.lock_mode import LockMode, sql_name
from backfill.change.lock_patience import (
    BACKOFF_MAX_S,
    LOCK_TIMEOUT_S,
    STATEMENT_MAX_S,
    STATEMENT_S,
    YOUNG_S,
    Patience,
    after_failure,
    holder_to_wait_for,
    is_retried,
    pause_s,
)


def blocker(**changed):
    values = {
        "pid": 123,
        "gid": None,
        "transaction": "3/7",
        "application_name": "psql",
        "role": "alice",
        "state": "idle in transaction",
        "state_s": 20.0,
        "transaction_s": 21.0,
        "mode": "AccessShareLock",
        "relation": "public.users",
    }
    return Blocker(**{**values, **changed})


def test_a_blocker_is_named_with_its_state_and_its_lock():
    assert str(blocker()) == ("pid 123 (psql, alice), idle in transaction for 20s, holds ACCESS SHARE on public.users")


def test_a_prepared_transaction_is_named_by_its_gid():
    prepared = blocker(pid=None, gid="order-7", state=None, transaction_s=200.0, mode="RowExclusiveLock")
    assert str(prepared) == (
        "prepared transaction 'order-7' of alice, prepared 3m20s ago, holds ROW EXCLUSIVE on public.users"
    )
    assert prepared.remedy == "COMMIT PREPARED or ROLLBACK PREPARED 'order-7'"


def test_what_a_role_may_not_see_is_unknown_and_not_left_out():
    hidden = blocker(application_name=None, role=None, state=None, state_s=None, transaction_s=None, granted=False)
    assert str(hidden) == "pid 123 (unknown, unknown), waits for ACCESS SHARE on public.users"


def test_a_session_that_only_has_an_older_snapshot_says_so():
    assert str(blocker(relation=None, mode="ExclusiveLock")).endswith("for 20s, whose transaction began earlier")


def test_only_old_transactions_are_waited_for_and_the_oldest_is_named():
    young, old, oldest = (blocker(transaction_s=age_s) for age_s in (YOUNG_S, YOUNG_S + 0.1, 300.0))
    assert holder_to_wait_for([young], ()) is None
    assert holder_to_wait_for([young, old, oldest], ()) == oldest


def test_a_prepared_transaction_is_waited_for_at_any_age():
    prepared = blocker(gid="order-7", transaction_s=0.1)
    assert holder_to_wait_for([prepared], ()) == prepared


def test_a_transaction_of_unknown_age_is_waited_for_when_it_is_seen_again():
    unknown = blocker(transaction_s=None)
    assert holder_to_wait_for([unknown], {"4/1"}) is None
    assert holder_to_wait_for([unknown], {"3/7"}) == unknown


def test_who_only_waits_for_a_lock_is_not_waited_for():
    assert holder_to_wait_for([blocker(granted=False)], ()) is None


@pytest.mark.parametrize(
    ("sqlstate", "took_s", "retried"),
    [("55P03", 0.5, True), ("40P01", 0.5, True), ("57014", 1.0, True), ("57014", 0.3, False), ("42501", 0.0, False)],
)
def test_a_lock_that_is_not_available_is_tried_again_and_a_cancel_is_obeyed(sqlstate, took_s, retried):
    assert is_retried(sqlstate, took_s=took_s, statement_s=1.0) is retried


def test_the_fourth_failure_in_a_row_is_loud():
    loud = list(
        itertools.accumulate(
            range(5), lambda patience, _: after_failure(patience, "55P03", blocked=True), initial=Patience()
        )
    )
    assert [patience.loud for patience in loud] == [False, False, False, False, True, True]


def test_a_statement_that_nobody_blocks_gets_more_time_and_one_that_is_blocked_does_not():
    assert after_failure(Patience(), "57014", blocked=True).statement_s == STATEMENT_S
    assert after_failure(Patience(), "55P03", blocked=False).statement_s == STATEMENT_S
    patience = Patience()
    for _ in range(10):
        patience = after_failure(patience, "57014", blocked=False)
    assert patience.statement_s == STATEMENT_MAX_S


def test_nobody_waits_longer_than_a_second_behind_a_try():
    assert LOCK_TIMEOUT_S <= STATEMENT_S <= 1.0


@given(st.integers(1, 1000), st.floats(0, 1))
def test_pauses_grow_up_to_a_bound(failures: int, jitter: float):
    assert 0.25 <= pause_s(failures, jitter) <= BACKOFF_MAX_S
    assert pause_s(failures + 1, jitter) >= pause_s(failures, jitter)


CONFLICTS = """
AccessShareLock AccessExclusiveLock
RowShareLock ExclusiveLock AccessExclusiveLock
RowExclusiveLock ShareLock ShareRowExclusiveLock ExclusiveLock AccessExclusiveLock
ShareUpdateExclusiveLock ShareUpdateExclusiveLock ShareLock ShareRowExclusiveLock ExclusiveLock AccessExclusiveLock
ShareLock RowExclusiveLock ShareUpdateExclusiveLock ShareRowExclusiveLock ExclusiveLock AccessExclusiveLock
ShareRowExclusiveLock RowExclusiveLock ShareUpdateExclusiveLock ShareLock ShareRowExclusiveLock ExclusiveLock AccessExclusiveLock
ExclusiveLock RowShareLock RowExclusiveLock ShareUpdateExclusiveLock ShareLock ShareRowExclusiveLock ExclusiveLock AccessExclusiveLock
AccessExclusiveLock AccessShareLock RowShareLock RowExclusiveLock ShareUpdateExclusiveLock ShareLock ShareRowExclusiveLock ExclusiveLock AccessExclusiveLock
"""


def test_locks_conflict_as_in_the_manual():
    written = {first: set(others) for first, *others in map(str.split, CONFLICTS.strip().splitlines())}
    assert {mode.server_name: {other.server_name for other in mode.conflicts} for mode in LockMode} == written


def test_locks_conflict_both_ways():
    assert all((one in other.conflicts) == (other in one.conflicts) for one in LockMode for other in LockMode)


def test_the_servers_names_become_those_of_sql():
    assert sql_name("ShareUpdateExclusiveLock") == "SHARE UPDATE EXCLUSIVE"
    assert sql_name("ExclusiveLockOfMars") == "ExclusiveLockOfMars"
