"""The campaign's pure parts: rounds drawn from seeds, the judge, what is printed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backfill.postgres.session.sql_files import statement
from backfill.postgres.work import verify
from backfill.throttle.conditions import replication
from tests.chaos import report
from tests.chaos.breakpoints import STEPS as HELD
from tests.chaos.catalogue import BY_NAME, FAULTS, STEPS
from tests.chaos.injections import INJECTIONS
from tests.chaos.mutants import FENCE, FILE, MUTANTS
from tests.chaos.oracle import Absence, Broken, Counted, Evidence, Exit, Scanned, Violation, judge
from tests.chaos.report import Result
from tests.chaos.schedule import FAULTS_MAX, schedule, together

NAMES = tuple(fault.name for fault in FAULTS)


def test_every_fault_has_a_deed_and_every_step_a_way_to_stand_there():
    assert set(INJECTIONS) == set(NAMES)
    assert set(HELD) == set(STEPS)
    assert len(BY_NAME) == len(FAULTS)


def test_a_round_follows_from_its_seed_alone():
    assert [schedule(seed) for seed in range(300)] == [schedule(seed) for seed in range(300)]
    assert len({str(schedule(seed)) for seed in range(300)}) > 50


def test_as_many_rounds_as_there_are_faults_have_each_of_them():
    for first in (0, 1, 1000):
        met = {name for seed in range(first, first + len(FAULTS)) for name in schedule(seed).faults}
        assert met == set(NAMES)


def test_a_round_has_what_its_faults_need():
    for seed in range(500):
        plan = schedule(seed)
        faults = [BY_NAME[name] for name in plan.faults]
        assert 1 <= len(faults) <= FAULTS_MAX
        assert len(set(plan.faults)) == len(faults)
        assert len(faults) == 1 or not any(fault.alone or fault.servers for fault in faults)
        for fault in faults:
            assert plan.shape in fault.shapes
            assert plan.lanes in fault.lanes
            assert plan.servers == fault.servers
            assert not (fault.dense and plan.sparse)
            assert plan.calm or not fault.calm


def test_rounds_among_some_faults_have_no_others():
    for seed in range(50):
        assert set(schedule(seed, ("kill-update", "zombie")).faults) <= {"kill-update", "zombie"}
    assert (
        schedule(3, ("truncate", "kill-commit", "deadlock"), every=True).faults
        == schedule(3, ("truncate", "kill-commit", "deadlock"), every=True).faults
    )
    assert sorted(schedule(3, ("truncate", "kill-commit"), every=True).faults) == ["kill-commit", "truncate"]


def test_what_cannot_share_a_table_is_not_put_together():
    assert together((BY_NAME["truncate"], BY_NAME["kill-verify"]))
    assert not together((BY_NAME["truncate"], BY_NAME["truncate"]))
    assert not together((BY_NAME["zombie"], BY_NAME["truncate"]))


WELL = Evidence(
    counted=(Counted(10, 10),),
    job_reason="every row is filled",
    scans=(Scanned("public.users", 0, proven=True, at_end=True),),
    absences=(Absence("replica-b", 2, 2),),
    exits=(Exit(0, (0,)), Exit(-9, (-9,))),
)

ILL: dict[Broken, dict[str, Any]] = {
    Broken.WRONG_ROW: {"wrong_rows": 3, "wrong": ("id 1",)},
    Broken.TWICE: {"twice_rows": 1, "twice": ("id 2 2 times",)},
    Broken.DISAGREE: {"counted": (Counted(10, 10), Counted(10, 9))},
    Broken.JOB: {"job_state": "running"},
    Broken.PROOF: {"scans": (Scanned("public.users", 0, proven=False, at_end=True),)},
    Broken.PLACE: {"scans": (Scanned("public.users", 0, proven=True, at_end=False),)},
    Broken.LEFT_BEHIND: {"left_behind": ("lock advisory",)},
    Broken.AWAY: {"absences": (Absence("replica-b", 3, 2),)},
    Broken.EXIT: {"exits": (Exit(1, (0,)),)},
    Broken.UNTOLD: {"untold": ("{}",)},
    Broken.TRACEBACK: {"tracebacks": ("worker-1: Traceback",)},
    Broken.PASSWORD: {"passwords": ("worker-1 stdout",)},
    Broken.LATE: {"late": ("worker-1 has not ended",)},
}


def test_a_round_without_fault_is_judged_well():
    assert judge(WELL) == ()


def test_every_promise_has_a_way_to_be_broken():
    assert set(ILL) == set(Broken)


@pytest.mark.parametrize("kind", Broken)
def test_each_broken_promise_is_reported_and_no_other(kind):
    assert [one.kind for one in judge(replace(WELL, **ILL[kind]))] == [kind]


def test_a_job_that_is_unknown_or_left_no_checkpoint_is_not_done():
    assert [one.kind for one in judge(replace(WELL, job_state=None))] == [Broken.JOB]
    assert [one.kind for one in judge(replace(WELL, job_reason="3 rows cannot converge"))] == [Broken.JOB]
    assert [one.kind for one in judge(replace(WELL, scans=()))] == [Broken.PROOF]


def test_a_line_a_round_and_the_command_that_plays_it_again():
    plan = schedule(3)
    good = Result(plan, 5.0)
    bad = Result(plan, 6.1, violations=(Violation(Broken.TWICE, "1 rows: id 2 2 times"),), kept="/tmp/chaos/3")
    assert " ok " in report.line(1, 200, good)
    assert "seed 3 " in report.line(1, 200, good)
    assert report.details(good, "again") == []
    assert "VIOLATION" in report.line(2, 200, bad)
    assert report.details(bad, "python -m tests.chaos --rounds 1 --seed 3") == [
        "      updated twice: 1 rows: id 2 2 times",
        "      again: python -m tests.chaos --rounds 1 --seed 3",
        "      logs:  /tmp/chaos/3",
    ]
    assert report.eta(50, 200, 100.0) == "50 of 200 rounds in 1m40s, 5m00s left"


def test_the_summary_counts_what_was_had_what_was_skipped_and_what_was_missed():
    one, two = schedule(0, ("zombie",)), schedule(0, ("disk-full",))
    broken = Violation(Broken.DISAGREE, "9 and 10")
    lines = report.summary(
        [
            Result(one, 5.0, violations=(broken,)),
            Result(one, 5.0),
            Result(one, 5.0, missed=(("zombie", "not in time"),)),
            Result(two, 0.0, skipped=(("disk-full", "no mount"),)),
        ]
    )
    assert [" ".join(told.split()) for told in lines] == [
        "fault times skipped missed violations",
        "disk-full 0 1 0 0 (no mount)",
        "zombie 2 0 1 checkpoint and data disagree (1)",
        "4 rounds, 2 faults, 1 skipped, 1 missed, 1 rounds with violations",
    ]


def test_what_the_mutants_switch_off_is_there():
    moved = statement("state/save_checkpoint")
    assert moved.count(FENCE) == 1
    assert moved.count(FILE) == 1
    assert callable(replication._out_of_view)
    assert callable(verify.read_verification)
    assert {mutant.fault for mutant in MUTANTS} <= set(NAMES)
