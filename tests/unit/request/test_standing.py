"""The state that people see follows from what the worker has written, whether it is there, and what was asked last."""

from __future__ import annotations

import pytest

from backfill.request.standing import JobStanding
from backfill.throttle.conditions.operator_request import OperatorRequest
from tests.factories import request

PAUSE, CANCEL, RESUME = request("pause"), request("cancel"), request("resume")


@pytest.mark.parametrize(
    ("saved", "connected", "waits_for", "asked", "shown"),
    [
        ("running", True, None, None, "running"),
        ("running", False, None, None, "abandoned"),
        ("running", True, None, PAUSE, "pausing"),
        ("running", True, "lag", PAUSE, "pausing"),
        ("running", True, "paused", PAUSE, "paused"),
        ("running", True, "paused", RESUME, "running"),
        ("running", False, "paused", PAUSE, "abandoned"),
        ("running", True, "paused", request(left_s=0.0), "running"),
        ("running", True, None, CANCEL, "cancelling"),
        ("running", False, None, CANCEL, "cancelled"),
        ("stopped", False, None, CANCEL, "cancelled"),
        ("cancelled", False, None, CANCEL, "cancelled"),
        ("stopped", False, None, PAUSE, "stopped"),
        ("halted", True, None, PAUSE, "halted"),
        ("done", False, None, CANCEL, "done"),
        ("unconverged", True, None, PAUSE, "unconverged"),
        ("failed", False, None, request("restart"), "failed"),
    ],
)
def test_the_state_says_what_is_and_what_is_about_to_be(
    saved: str, connected: bool, waits_for: str | None, asked: OperatorRequest | None, shown: str
):
    standing = JobStanding(job="j", saved_state=saved, connected=connected, waits_for=waits_for, request=asked)
    assert standing.state == shown
