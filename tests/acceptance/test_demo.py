"""The demo, as a newcomer starts it."""

from __future__ import annotations

import subprocess

import pytest

from tests.acceptance.worker import COMMAND


@pytest.mark.alone
@pytest.mark.timeout(120)
def test_the_demo_shows_a_throttled_killed_and_resumed_backfill_and_ends_0():
    done = subprocess.run(
        [*COMMAND, "demo", "--rows", "100000"], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    for words in (
        "link to replica-b narrowed to 4MB/s",
        "worker killed with SIGKILL",
        "resumed at ",
        "link to replica-b widened",
        "100,000: each row once",
        "0 rows, as counted by the demo itself",
        "no row matches `where` any longer",
    ):
        assert words in told, told
