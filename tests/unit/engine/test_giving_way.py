"""The final read gives way to sessions that need its lock: the wait has a reason, and its end is an event."""

from __future__ import annotations

import asyncio

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.job_run import JobRun
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.event import Event
from backfill.events.job import PassDone, VerificationRestarted, Verified
from backfill.events.throttle import WaitStarted
from backfill.observe.notices import notice_for
from backfill.observe.status import begin
from backfill.observe.status_fold import fold
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories as made
from tests.factories import job
from tests.fake_database import Clock, FakeDatabase, users

WAITER = "migration (pid 7, role alice, AccessExclusiveLock on users)"
REASON = f"sessions behind the proof 1 > 0: {WAITER}"


def run(*waiters: str | None) -> tuple[FakeDatabase, list[Event]]:
    """Run a job whose final read asks to give way to these, and to look for a stop at None."""
    database = FakeDatabase(users(20), Clock(), waiters=waiters)
    events: list[Event] = []
    runtime = database.clock.runtime(events.append)
    limits = job(batch={"rows": 10, "min_rows": 1, "max_rows": 10, "stripes": 1})
    maintenance = Maintenance(limits, runtime)
    control = AdmissionControl(limits, runtime, maintenance)
    asyncio.run(JobRun(limits, database.session(), runtime, control, maintenance).run())
    return database, events


def behind_the_pass(events: list[Event]) -> list[Event]:
    last = max(index for index, event in enumerate(events) if isinstance(event, PassDone))
    kinds = (WaitStarted, VerificationRestarted, Verified)
    return [event for event in events[last:] if isinstance(event, kinds)]


def test_each_look_at_a_waiter_is_a_wait_and_the_end_of_it_is_reported_once():
    database, events = run(WAITER, WAITER, None, None)
    first, second, restarted, verified = behind_the_pass(events)
    for wait in (first, second):
        assert isinstance(wait, WaitStarted)
        assert (wait.reason.kind, str(wait.reason)) == (WaitKind.BLOCKED, REASON)
    assert isinstance(restarted, VerificationRestarted)
    assert restarted.why == f"it gave way, {REASON}"
    assert isinstance(verified, Verified)
    assert REASON in database.waits
    assert database.waits[-1] is None


def test_a_read_that_nobody_minds_says_nothing():
    _, events = run(None, None)
    assert [type(event) for event in behind_the_pass(events)] == [Verified]


def test_status_says_that_it_verifies_again():
    status = begin("users-handle", 0.0)
    for event in (made.started(), made.pass_done(rows=0), made.verification_restarted()):
        status = fold(status, event, 1.0)
    assert status.verifying
    assert status.why == "reading the table in pieces to verify it: psql (pid 7, role alice) needed its lock"


def test_it_is_news():
    notice = notice_for(made.verification_restarted())
    assert notice is not None
    assert notice.text == "the final read continues in pieces: psql (pid 7, role alice) needed its lock"
