"""The campaign of faults in small: every fault once, each protection switched off, and ten workers at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import pytest

from backfill.sandbox.wait import wait_until
from tests.chaos.catalogue import BY_NAME, FAULTS
from tests.chaos.injections.crowds import GATHER_S, TAKEOVER_S, kill, standing, taken_over
from tests.chaos.mutants import MUTANTS
from tests.chaos.oracle import Broken
from tests.chaos.run_trial import run_trial
from tests.chaos.schedule import Plan, schedule
from tests.chaos.servers import MAKERS, CannotBeHadError, Servers, shared
from tests.chaos.trial import OURS, Trial

pytestmark = pytest.mark.timeout(240)

APART = ("kill-vacuum", "term-vacuum", "ten-workers")
ROUNDS = (
    ("kill-update", "kill-checkpoint", "kill-history", "kill-commit"),
    ("term-update", "term-checkpoint", "term-history", "term-commit"),
    ("kill-scout", "kill-verify", "kill-between-passes"),
    ("term-scout", "term-verify", "term-between-passes"),
    ("kill-gate", "term-gate", "kill-random", "term-random"),
    ("kill-vacuum",),
    ("term-vacuum",),
    ("backend-killed", "walsender-killed", "primary-killed"),
    ("standby-killed", "standby-link-cut", "standby-link-frozen", "standby-link-slow"),
    ("worker-link-cut", "worker-link-frozen", "worker-link-slow", "max-connections"),
    ("vacuum-full", "cluster", "truncate", "drop-create", "add-column"),
    ("idle-lock", "deadlock", "statement-timeout", "checkpoint-edited", "pause-resume"),
    ("two-workers", "five-workers"),
    *((name,) for name, fault in BY_NAME.items() if fault.alone and name not in APART),
)
LONG = ("term-update", "term-scout", "term-vacuum", "vacuum-full", "two-workers")
"""Rounds that begin with these are played by `make test-long`: others come near to what they do."""
SEED = 7
RUN_S = 60.0
"""Long enough for ten workers to come while one works."""
HOLDER: LiteralString = (
    "select distinct pid, application_name from pg_locks join pg_stat_activity using (pid)"
    " where locktype = 'advisory' and granted and mode = 'ExclusiveLock' and " + OURS
)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with shared() as made:
        yield made


def test_every_fault_has_its_round():
    """Ten workers have a test of their own."""
    met = ["ten-workers", *(name for names in ROUNDS for name in names)]
    assert sorted(met) == sorted(fault.name for fault in FAULTS)


@pytest.mark.parametrize(
    "names",
    [pytest.param(names, id="+".join(names), marks=[pytest.mark.long] if names[0] in LONG else []) for names in ROUNDS],
)
def test_whatever_happens_the_end_is_the_same(servers, tmp_path, names):
    plan = schedule(SEED, names, every=True)
    assert sorted(plan.faults) == sorted(names)
    try:
        result = play_on(plan, servers, tmp_path)
    except CannotBeHadError as error:
        pytest.skip(str(error))
    assert result.violations == ()
    assert result.missed == ()
    if result.skipped:
        pytest.skip(str(result.skipped))


def play_on(plan: Plan, servers: Servers, folder):
    if not plan.servers:
        return run_trial(plan, servers, folder)
    with MAKERS[plan.servers]() as own:
        return run_trial(plan, own, folder)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_protection_that_is_switched_off_is_noticed(servers, tmp_path, mutant):
    result = run_trial(schedule(SEED, (mutant.fault,)), servers, tmp_path, mutant.name)
    assert mutant.broken in {one.kind for one in result.violations}, result
    assert Broken.TRACEBACK not in {one.kind for one in result.violations}, result


def test_of_ten_workers_one_works_nine_wait_and_say_for_whom_and_another_takes_over(servers, tmp_path):
    trial = Trial(schedule(SEED, ("ten-workers",)), servers, tmp_path)
    try:
        trial.open()
        trial.write_job(RUN_S)
        for _ in range(10):
            trial.start()
        wait_until(lambda: standing(trial)[0], "of ten workers one works and nine wait", GATHER_S)
        holder, others = standing(trial)
        assert holder is not None
        assert len(others) == 9
        [(session, name)] = trial.query(HOLDER)
        for other in others:
            assert other.told("LockWaiting")[-1][1]["holder"].startswith(f"{name} (pid {session}, ")
            assert other.told("BatchDone") == []
        holder.wait(lambda: holder.told("BatchDone"), "works")
        killed_s = kill(trial, holder)
        taker = taken_over(trial, others)
        taker.wait(lambda: taker.told("BatchDone"), "works")
        assert taker.told("LockTaken")[0][0] - killed_s < 3 * TAKEOVER_S
        assert taker.told("BatchDone")[0][0] - killed_s < 3 * TAKEOVER_S
    finally:
        trial.close()
