"""Each named cause has something that a person can do, in an imperative with the job's own name; the pace has nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from backfill.observe.status import ENDED, State
from backfill.request.next_step import REJECTED, STATES, WAITS, next_step
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind

PAGE = Path(__file__).parents[3] / "docs/operations/wait-reasons.md"


def test_every_kind_of_wait_but_the_pace_has_a_step_and_a_row_on_the_page():
    assert set(WAITS) == set(WaitKind)
    assert {kind for kind, step in WAITS.items() if step is None} == PACE_KINDS
    page = PAGE.read_text(encoding="utf-8")
    assert [kind.value for kind in WaitKind if f"\n| `{kind}` |" not in page and f"\n| `{kind}`, " not in page] == []


def test_every_state_in_which_a_job_rests_has_a_step_but_done():
    rests = {state.value for state in ENDED - {State.DONE}} | {"abandoned"}
    assert set(STATES) == rests


@pytest.mark.parametrize(
    ("state", "waits_for", "rejected", "step"),
    [
        ("running", None, 0, None),
        ("running", "window", 0, None),
        ("done", None, 0, None),
        ("pausing", None, 0, None),
        ("unreadable", "no kind of ours", 0, None),
        ("paused", "paused", 0, "to continue: backfill resume users-handle"),
        ("running", "retry", 0, "it tries again by itself; to try now: backfill resume users-handle"),
        ("abandoned", "paused", 0, STATES["abandoned"]),
        ("unconverged", None, 3, REJECTED),
        ("unconverged", None, 0, STATES["unconverged"]),
        (
            "cancelled",
            None,
            0,
            "to start it again: backfill run JOB.yaml --restart; to remove its state: backfill forget users-handle",
        ),
    ],
)
def test_a_job_is_named_in_its_commands(state: str, waits_for: str | None, rejected: int, step: str | None):
    assert next_step("users-handle", state, waits_for, rejected) == step
