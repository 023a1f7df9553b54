"""A request is recorded once, refused with a sentence where it makes no sense, and answered by what it has led to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.request.answer import concerns, is_recorded, sentence
from backfill.request.standing import JobStanding
from backfill.throttle.conditions.operator_request import RequestAction
from backfill.values.errors import JobError
from tests.factories import request

PAUSE, RESUME, CANCEL = RequestAction.PAUSE, RequestAction.RESUME, RequestAction.CANCEL
SAVED = ("running", "done", "unconverged", "stopped", "cancelled", "halted", "failed")
requests = st.none() | st.builds(
    lambda action, left_s: request(action, left_s=left_s),
    st.sampled_from(RequestAction),
    st.none() | st.floats(-10.0, 10.0),
)
standings = st.builds(
    JobStanding,
    job=st.just("users-handle"),
    saved_state=st.sampled_from(SAVED),
    connected=st.booleans(),
    waits_for=st.sampled_from([None, "lag", "retry", "paused"]),
    waits_why=st.sampled_from([None, "attempt 3: canceling statement due to lock timeout"]),
    request=requests,
)
actions = st.sampled_from([PAUSE, RESUME, CANCEL])


def asked(before: JobStanding, action: RequestAction, **changed) -> tuple[JobStanding, bool]:
    """Return how a job stands after a request, and whether it was recorded."""
    recorded = is_recorded(before, action, changes=bool(changed))
    return (replace(before, request=request(action, 2, **changed)) if recorded else before), recorded


@given(standings, actions, st.booleans())
def test_a_request_does_what_it_says_or_is_refused_and_asking_twice_changes_nothing(
    before: JobStanding, action: RequestAction, with_reason: bool
):
    changed = {"reason": "why"} if with_reason else {}
    cancelled = before.standing is not None and before.standing.cancels
    if before.ended or (cancelled and action is not CANCEL):
        with pytest.raises(JobError, match="job 'users-handle' "):
            asked(before, action, **changed)
        assert not concerns(before, action)
        return
    after, recorded = asked(before, action, **changed)
    text = sentence(before, after, action, recorded=recorded)
    assert text
    assert "None" not in text
    match action:
        case RequestAction.RESUME:
            assert after.standing is None
        case RequestAction.PAUSE:
            assert after.standing is not None
            assert after.standing.pauses
        case _:
            assert after.state in ("cancelling", "cancelled")
    if action is not RESUME:
        again, recorded = asked(after, action)
        assert (again, recorded) == (after, False)
        assert sentence(after, again, action, recorded=False).startswith("already ")


@given(standings, actions)
def test_all_jobs_are_never_refused_and_change_if_they_are_asked(before: JobStanding, action: RequestAction):
    for timed in (False, True):
        if concerns(before, action, timed=timed):
            assert is_recorded(before, action, changes=timed) in (False, True)


@pytest.mark.parametrize(
    ("before", "timed", "asked_too"),
    [
        ("running", False, False),
        ("running", True, True),
        ("stopped", False, False),
        ("failed", False, True),
        ("halted", False, True),
        ("done", True, False),
    ],
)
def test_a_resume_of_all_is_one_of_those_that_failed_and_with_an_end_of_all(before: str, timed: bool, asked_too: bool):
    standing = JobStanding(job="a", saved_state=before, connected=before == "running")
    assert concerns(standing, RESUME, timed=timed) is asked_too


WORKING = JobStanding(job="users-handle", saved_state="running", connected=True)
IDLE = replace(WORKING, saved_state="stopped", connected=False)
UNTIL = {"until": "2026-11-29 12:02 UTC", "left_s": 7200.0}
BY_ALICE = "by alice since 2026-11-29 10:02 UTC"


@pytest.mark.parametrize(
    ("before", "action", "changed", "text"),
    [
        (WORKING, PAUSE, {}, "pausing: its worker stops after the batch in flight"),
        (WORKING, PAUSE, UNTIL, "pausing until 2026-11-29 12:02 UTC: its worker stops after the batch in flight"),
        (IDLE, PAUSE, {}, "paused; no worker is connected, and the next one waits"),
        (replace(WORKING, request=request()), PAUSE, {}, f"already paused {BY_ALICE}"),
        (
            replace(WORKING, request=request(), waits_for="paused"),
            PAUSE,
            {"reason": "deploy"},
            f"paused {BY_ALICE} (deploy)",
        ),
        (replace(WORKING, request=request()), RESUME, {}, "resumed: its worker continues within a second"),
        (
            replace(IDLE, request=request()),
            RESUME,
            {},
            "resumed; no worker is connected; to start one: backfill run JOB.yaml",
        ),
        (IDLE, RESUME, {}, "not paused; no worker is connected; to start one: backfill run JOB.yaml"),
        (
            replace(WORKING, waits_for="retry", waits_why="attempt 3: lock timeout"),
            RESUME,
            {},
            "its worker tries again within a second; it waited: attempt 3: lock timeout",
        ),
        (
            replace(WORKING, waits_for="lag", waits_why="replica-a lag 12s > 9s"),
            RESUME,
            {},
            "not paused; its worker is at work and waits: replica-a lag 12s > 9s",
        ),
        (
            replace(WORKING, waits_for="schedule", waits_why="window closed until Mon 22:00 Europe/Berlin"),
            RESUME,
            {},
            (
                "not paused; its worker is at work and waits: window closed until Mon 22:00 Europe/Berlin; to let it work"
                " now: backfill resume users-handle --for 2h"
            ),
        ),
        (WORKING, RESUME, UNTIL, "resumed: until 2026-11-29 12:02 UTC its time windows are open"),
        (
            IDLE,
            RESUME,
            UNTIL,
            (
                "resumed: until 2026-11-29 12:02 UTC its time windows are open; no worker is connected; to start one:"
                " backfill run JOB.yaml"
            ),
        ),
        (
            replace(IDLE, saved_state="failed"),
            RESUME,
            {},
            "resumed; a daemon tries it again within seconds; without one: backfill run JOB.yaml",
        ),
        (WORKING, CANCEL, {}, "cancelling: its worker ends after the batch in flight"),
        (IDLE, CANCEL, {}, "cancelled; no worker is connected"),
        (replace(IDLE, request=request("cancel")), CANCEL, {}, "already cancelled by alice at 2026-11-29 10:02 UTC"),
    ],
)
def test_an_answer_says_what_happens_next(before: JobStanding, action: RequestAction, changed, text: str):
    after, recorded = asked(before, action, **changed)
    assert sentence(before, after, action, recorded=recorded) == text


CANCELLED = (
    "job 'users-handle' was cancelled by alice at 2026-11-29 10:02 UTC; to start it again:"
    " backfill run JOB.yaml --restart"
)


@pytest.mark.parametrize(
    ("before", "action", "text"),
    [
        (replace(IDLE, saved_state="done"), PAUSE, "job 'users-handle' is done; there is nothing to pause"),
        (
            replace(IDLE, saved_state="unconverged"),
            CANCEL,
            "job 'users-handle' is unconverged; there is nothing to cancel",
        ),
        (
            replace(IDLE, request=request("cancel")),
            RESUME,
            CANCELLED,
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(before: JobStanding, action: RequestAction, text: str):
    with pytest.raises(JobError) as caught:
        is_recorded(before, action, changes=False)
    assert str(caught.value) == text
