"""Proves that a gate opens only if every counted replica has the change, and stays closed on whatever is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.change.gate import GateState, GateVerdict, decide, format_lsn
from backfill.change.gate_values import (
    GatedJob,
    GateReading,
    GateTerms,
    PrimaryPosition,
    ServerAnswer,
    merged_limits,
)
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Replica
from tests.factories import limits, replica, signals

HERE = PrimaryPosition(7000, 1)
TERMS = GateTerms(max_lag_s=1.0, calm_s=5.0)
DONE = GatedJob(name="users-handle", state="done")


def reading(at_s: float, insert_lsn: int, *replicas: Replica, **changed: Any) -> GateReading:
    values: dict[str, Any] = {"at_s": at_s, "signals": signals(at_s, insert_lsn, *replicas), "primary": HERE}
    return GateReading(**values | changed)


def watched(terms: GateTerms, *readings: GateReading) -> list[GateVerdict]:
    """Return the verdict after each reading."""
    state, verdicts = GateState(), []
    for one in readings:
        verdict, state = decide(terms, state, one)
        verdicts.append(verdict)
    return verdicts


def reasons(terms: GateTerms, *readings: GateReading) -> tuple[str, ...]:
    return watched(terms, *readings)[-1].reasons


def test_it_opens_once_every_replica_has_replayed_the_position_of_the_start():
    behind, there = replica("replica-a", 0x50), replica("replica-a", 0x100)
    ahead = replica("replica-b", 0x120)
    closed, opened = watched(TERMS, reading(0, 0x100, behind, ahead), reading(1, 0x900, there, ahead))
    assert closed.reasons == ("replica-a replay 0/50 < 0/100, lag 0s",)
    assert (opened.is_open, opened.replicas) == (True, ("replica-a", "replica-b"))


def test_the_lag_of_a_frozen_replica_grows_in_the_reason():
    frozen = replica("replica-a", 0x50)
    assert reasons(TERMS, reading(0, 0x100, frozen), reading(12.4, 0x100, frozen)) == (
        "replica-a replay 0/50 < 0/100, lag 12.4s",
    )


def test_a_position_that_was_given_is_the_one_to_replay():
    terms = replace(TERMS, lsn=0x80)
    assert watched(terms, reading(0, 0x100, replica("replica-a", 0x80)))[0].is_open
    assert not watched(terms, reading(0, 0x100, replica("replica-a", 0x7F)))[0].is_open


def test_a_position_that_is_not_written_yet_keeps_it_closed():
    assert reasons(replace(TERMS, lsn=0x200), reading(0, 0x100, replica("replica-a", 0x300))) == (
        "primary lsn 0/100 < 0/200: it is not written yet, or is of another server or timeline",
    )


def test_a_replica_that_vanishes_keeps_it_closed():
    both = replica("replica-a", 0), replica("replica-b", 0)
    assert reasons(TERMS, reading(0, 0x100, *both), reading(1, 0x100, replica("replica-a", 0x100))) == (
        (
            "replica-b is not connected (missing from pg_stat_replication); it was connected when the gate began;"
            " if it is gone for good, add: --ignore replica-b"
        ),
    )


def test_a_replica_that_a_job_has_seen_is_missed_from_the_start():
    terms = replace(TERMS, seen=(SeenReplica(name="replica-b", since="2026-01-02 03:04 UTC"),))
    assert reasons(terms, reading(0, 0x100, replica("replica-a", 0x100))) == (
        (
            "replica-b is not connected (missing from pg_stat_replication); seen by this job since 2026-01-02 03:04 UTC;"
            " if it is gone for good, add: --ignore replica-b"
        ),
    )


@pytest.mark.parametrize(
    ("replicas", "reason"),
    [
        ({"require": ["replica-z"]}, "replica-z is not connected (missing from pg_stat_replication); it is required"),
        ({"min": 2}, "replicas 1 < 2"),
    ],
)
def test_a_required_replica_and_their_number_count(replicas: dict[str, Any], reason: str):
    terms = replace(TERMS, limits=limits(replicas=replicas))
    assert reasons(terms, reading(0, 0x100, replica("replica-a", 0x100))) == (reason,)


def test_an_ignored_replica_does_not_count():
    terms = replace(TERMS, limits=limits(replicas={"ignore": ["dr-*"]}))
    assert watched(terms, reading(0, 0x100, replica("dr-1", 0), replica("replica-a", 0x100)))[0].replicas == (
        "replica-a",
    )


def test_a_replica_at_an_unknown_position_keeps_it_closed():
    unknown = replica("replica-a", None, "no answer within 3s")
    assert reasons(TERMS, reading(0, 0x100, unknown)) == (
        "replica-a replay position unknown (state no answer within 3s)",
    )


def test_a_blind_role_and_a_primary_that_is_not_read_keep_it_closed():
    hidden = replace(signals(0, 0x100), visible=False)
    assert reasons(TERMS, reading(0, 0x100, signals=hidden)) == (
        "replication is hidden from this role: it lacks pg_monitor",
    )
    assert reasons(TERMS, GateReading(at_s=0, why="connection refused")) == ("no session: connection refused",)


def test_a_failover_keeps_it_closed_for_good():
    there = replica("replica-a", 0x100)
    promoted = reading(1, 0x200, there, primary=PrimaryPosition(7000, 2))
    assert reasons(TERMS, reading(0, 0x100, replica("replica-a", 0)), promoted, promoted) == (
        "primary timeline 2 > 1: there was a failover, and the change may be lost; check it, then start the gate again",
    )
    moved = reading(1, 0x200, there, primary=PrimaryPosition(7001, 1))
    assert "another server" in reasons(TERMS, reading(0, 0x100, replica("replica-a", 0)), moved)[0]


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (GatedJob(name="j"), "job j was never started in this database"),
        (GatedJob(name="j", state="running"), "job j is running, not done"),
        (GatedJob(name="j", state="unconverged", rows_left=1200), "job j rows left 1,200 > 0 (state unconverged)"),
        (GatedJob(name="j", state="done", leaves_unproven=2), "job j leaves without a proof 2 > 0"),
        (
            GatedJob(name="j", state="done", leaves_unknown=("t_1", "t_2", "t_3", "t_4")),
            "job j leaves without a proof 4 > 0 (attached later: t_1, t_2, t_3)",
        ),
        (GatedJob(name="j", why="no answer"), "job j unknown: no answer"),
        (DONE, None),
    ],
)
def test_a_job_has_to_be_done_and_proven(job: GatedJob, reason: str | None):
    there = replica("replica-a", 0x100)
    assert reasons(TERMS, reading(0, 0x100, there, jobs=(job,))) == (() if reason is None else (reason,))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ServerAnswer(name="a:5432", timeline=1, missing_columns=()), None),
        (ServerAnswer(name="a:5432", timeline=1, missing_columns=("users.nick",)), "a:5432 has no column users.nick"),
        (ServerAnswer(name="a:5432", timeline=2, missing_columns=()), "a:5432 timeline 2 is not 1"),
        (ServerAnswer(name="a:5432", why="no answer"), "a:5432 timeline unknown (no answer)"),
        (ServerAnswer(name="a:5432", timeline=1), "a:5432 columns unknown"),
    ],
)
def test_a_standby_that_is_asked_has_the_column_on_the_same_timeline(answer: ServerAnswer, reason: str | None):
    there = replica("replica-a", 0x100)
    assert reasons(TERMS, reading(0, 0x100, there, standbys=(answer,))) == (() if reason is None else (reason,))


def test_the_primary_has_to_have_the_column_too():
    lacks = ServerAnswer(name="primary", timeline=1, missing_columns=("users.nick",))
    there = replica("replica-a", 0x100)
    assert reasons(TERMS, reading(0, 0x100, there, primary_answer=lacks)) == ("primary has no column users.nick",)


def aurora(lag_s: float) -> Replica:
    return Replica(name="reader-1", state="aurora", replay_lsn=None, lag_s=lag_s)


def test_a_replica_that_reports_only_a_lag_has_to_be_calm_for_a_while():
    verdicts = watched(TERMS, *(reading(at_s, 0x100, aurora(0.02)) for at_s in (0, 4.9, 5)))
    assert [verdict.is_open for verdict in verdicts] == [False, False, True]
    assert verdicts[1].reasons == ("reader-1 calm 4.9s < 5s",)
    assert reasons(TERMS, reading(0, 0x100, aurora(2.5))) == ("reader-1 lag 2.5s > 1s",)


def test_calm_begins_again_after_a_lag_and_after_a_reading_that_failed():
    blind = GateReading(at_s=3, why="no answer")
    for between in (reading(3, 0x100, aurora(2.0)), blind):
        verdicts = watched(
            TERMS, reading(0, 0x100, aurora(0)), between, *(reading(at_s, 0x100, aurora(0)) for at_s in (4, 8.9, 9))
        )
        assert [verdict.is_open for verdict in verdicts] == [False, False, False, False, True]


def test_calm_does_not_begin_before_the_position_is_written():
    terms = replace(TERMS, lsn=0x200)
    verdicts = watched(
        terms, *(reading(at_s, lsn, aurora(0.5)) for at_s, lsn in ((0, 0x100), (5, 0x200), (9, 0x200), (10, 0x200)))
    )
    assert [verdict.is_open for verdict in verdicts] == [False, False, False, True]


def test_of_several_jobs_the_strictest_limits_hold():
    found = merged_limits(
        (
            limits(replicas={"require": ["a"], "ignore": ["dr-*", "bi"], "min": 1, "direct": ["host=x"]}),
            limits(replicas={"require": ["b"], "ignore": ["dr-*"], "min": 2}),
        ),
        require=["c"],
        ignore=["old"],
        min_count=0,
    ).replicas
    assert (found.require, found.ignore, found.min_count, found.direct) == (
        ("a", "b", "c"),
        ("dr-*", "old"),
        2,
        ("host=x",),
    )


def test_positions_read_as_the_server_writes_them():
    assert format_lsn(0x16_B374D848) == "16/B374D848"


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, int, dict[str, int | None], bool]]:
    """Return what happens to a primary and three replicas: each may stand still, vanish or hide its position."""
    at_s, insert, true = 0.0, 100, {name: draw(st.integers(0, 100)) for name in "abc"}
    found = []
    for _ in range(draw(st.integers(1, 12))):
        at_s += draw(st.floats(0.05, 3))
        insert += draw(st.integers(0, 50))
        shown: dict[str, int | None] = {}
        for name in "abc":
            true[name] = min(insert, true[name] + draw(st.integers(0, 60)))
            how = draw(st.sampled_from(["shown", "shown", "shown", "hidden", "gone"]))
            if how != "gone":
                shown[name] = true[name] if how == "shown" else None
        found.append((at_s, insert, shown, draw(st.booleans())))
    return found


@given(histories())
def test_an_open_gate_means_that_every_replica_it_ever_saw_has_the_position(
    history: list[tuple[float, int, dict[str, int | None], bool]],
):
    state, seen, target = GateState(), set[str](), None
    for at_s, insert, shown, readable in history:
        replicas = [replica(name, lsn) for name, lsn in shown.items()]
        one = reading(at_s, insert, *replicas) if readable else GateReading(at_s=at_s, why="no answer")
        verdict, state = decide(TERMS, state, one)
        if readable:
            target = insert if target is None else target
            seen |= {name for name, lsn in shown.items() if lsn is not None}
        if verdict.is_open:
            assert readable
            assert target is not None
            assert seen <= set(shown)
            assert all(lsn is not None and lsn >= target for lsn in shown.values())
        elif readable and seen <= set(shown):
            assert any(lsn is None or lsn < (target or 0) for lsn in shown.values())
