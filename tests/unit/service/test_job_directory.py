"""The daemon's loop over a directory that comes and goes, with nothing real behind it."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from backfill.service.job_directory import RESCAN_S, RETRY_S, serve_directory
from backfill.values.errors import JobError, Stopped

CODE = 143


class Script:
    """Jobs that end with what their file says; each sleep plays the next step, the last one stops."""

    def __init__(self, *steps: Any) -> None:
        self.stop = SimpleNamespace(signal=None, exit_code=CODE, sleep=self.sleep)
        self.steps = list(steps)
        self.slept_s: list[float] = []
        self.ran: list[str] = []

    async def run_one(self, job: str) -> int:
        self.ran.append(job)
        return int(job.rsplit(maxsplit=1)[-1])

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        if not self.steps:
            self.stop.signal = signal.SIGTERM
            raise Stopped("stopped")
        self.steps.pop(0)()


def read(path):
    if not path.exists():
        raise JobError(f"{path}: cannot be read")
    text = path.read_text()
    if text == "wrong":
        raise JobError(f"{path.name}: wrong")
    return text


def play(directory, *steps):
    """Serve a directory through these steps; return the script and what was told."""
    script: Any = Script(*steps)
    told: list[str] = []

    def report(error: Exception) -> None:
        told.append(str(error))

    assert anyio.run(serve_directory, directory, read, script.run_one, script.stop, report) == CODE
    return script, told


def test_a_directory_that_goes_is_reported_and_served_again_when_it_is_back(tmp_path):
    jobs = tmp_path / "jobs"

    def back():
        jobs.mkdir()
        (jobs / "a.yaml").write_text("a 0")

    script, told = play(jobs, back, lambda: None)
    assert told == [f"{jobs}: cannot be read: no such file or directory; name a directory of job files"]
    assert script.ran == ["a 0"]
    assert script.slept_s == [RETRY_S, RESCAN_S, RESCAN_S]


@pytest.mark.parametrize(("code", "runs"), [(0, 1), (2, 1), (3, 1), (1, 3), (4, 3), (75, 3)])
def test_what_failed_is_tried_again_and_what_ended_or_is_wrong_is_not(tmp_path, code, runs):
    (tmp_path / "a.yaml").write_text(f"a {code}")
    (tmp_path / "b.yml").write_text("b 0")
    (tmp_path / "notes.txt").write_text("c 0")
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.yaml").mkdir()
    script, told = play(tmp_path, lambda: None, lambda: None)
    assert script.ran == [f"a {code}", "b 0", *[f"a {code}"] * (runs - 1)]
    assert told == []


def test_a_changed_file_is_run_again_and_a_wrong_one_reported_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a 0")
    steps = [lambda: path.write_text("changed 0"), lambda: path.write_text("wrong"), lambda: None]
    script, told = play(tmp_path, *steps)
    assert script.ran == ["a 0", "changed 0"]
    assert told == ["a.yaml: wrong"]
