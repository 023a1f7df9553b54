"""Proves that verify reads the proof and fills nothing: it keeps a proof that holds, and takes back one that does not."""

from __future__ import annotations

import asyncio

import pytest

from backfill.engine.verify_run import VerifyRun
from backfill.events.job import Finished, LockWaiting, Verified
from backfill.values.errors import Halted, LockHeld, StatementRefused
from tests.fake_database import FakeLeaf, users
from tests.unit.engine.rejecting import Run, made


def verify(run: Run, *, wait: bool = False) -> Finished:
    async def verified() -> Finished:
        async with run.database.connect() as session:
            return await VerifyRun(run.job, session, run.runtime, wait_for_lock=wait).run()

    run.events.clear()
    return asyncio.run(verified())


def test_a_job_that_is_done_is_proven_again_and_keeps_its_proof():
    database = made(60)
    run = Run(database)
    run.run()
    fills, before = dict(database.fills), database.proof
    finished = verify(run)
    assert (finished.state, finished.why) == ("done", "every row is filled")
    assert database.fills == fills
    assert before is not None
    assert database.proof is not None
    assert len(run.told(Verified)) == 1
    assert database.ends[-1] == finished


def test_rows_that_match_again_take_the_proof_back_and_are_not_filled():
    database = made(60)
    run = Run(database)
    run.run()
    database.pages[0].append({"id": 1000, "username": "late", "handle": None})
    finished = verify(run)
    assert finished.state == "stopped"
    assert finished.why == "1 rows match 'where', for example 1000; fill them: backfill run JOB.yaml"
    assert finished.samples == ("1000",)
    assert 1000 not in database.fills
    assert database.proof is None
    assert run.run().state == "done"
    assert verify(run).state == "done"


def test_a_job_that_nobody_has_run_leaves_nothing_unless_it_is_proven():
    database = made(60)
    assert verify(Run(database)).state == "stopped"
    assert database.withdrawn
    assert database.fills == {}
    filled = made(pages=users(0))
    assert verify(Run(filled)).state == "done"
    assert not filled.withdrawn


def test_rows_that_cannot_converge_are_reported_and_keep_their_proof():
    database = made(pages=users(60, username=lambda number: None if number % 20 == 0 else "u"))
    run = Run(database)
    run.run()
    finished = verify(run)
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 3)
    assert database.proof is not None


def test_rejected_rows_are_counted_and_stay_rejected():
    database = made(60, bad=(10,))
    run = Run(database)
    run.run()
    finished = verify(run)
    assert (finished.state, finished.rows_rejected) == ("unconverged", 1)
    assert len(database.rejected) == 1


def test_rejected_rows_of_a_pass_that_is_not_at_its_end_stay_rejected():
    database = made(100, bad=(5, *range(60, 80)), max_rejected=3, max_rows=10)
    run = Run(database)
    with pytest.raises(Halted):
        run.run()
    before = dict(database.rejected)
    assert verify(run).state == "stopped"
    assert database.rejected == before


def test_every_leaf_is_proven():
    leaves = {"public.users_1": FakeLeaf(users(20))}
    database = made(20, leaf="public.users_0", shelf=leaves)
    run = Run(database)
    run.run()
    assert verify(run).state == "done"
    assert len(run.told(Verified)) == 2


def test_a_running_worker_is_waited_for_or_named():
    database = made(30, holder="pod-1 (pid 42)")
    with pytest.raises(LockHeld, match=r"pod-1 \(pid 42\)"):
        verify(Run(database))
    run = Run(database)
    sleep = run.runtime.sleep

    async def leave(delay_s: float) -> None:
        database.holder = None
        await sleep(delay_s)

    object.__setattr__(run.runtime, "sleep", leave)
    assert verify(run, wait=True).state == "stopped"
    assert len(run.told(LockWaiting)) == 1


def test_a_read_that_fails_ends_as_failed_and_proves_nothing():
    database = made(30)
    run = Run(database)
    run.run()
    database.accidents["verify"].extend([StatementRefused("division by zero", "22012")] * 2)
    with pytest.raises(StatementRefused):
        verify(run)
    assert database.proof is None
    assert database.ends[-1].state == "failed"
