"""The daemon's loop over a directory that comes, goes and changes, with nothing real behind it but the files."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import PassDone
from backfill.events.throttle import WaitStarted
from backfill.jobfile.load import JobFile
from backfill.service.job_directory import read_job
from backfill.service.run_activity import RunActivity
from backfill.service.serve import RESCAN_S, ServeRuntime, Serving
from backfill.service.served_jobs import RETRY_S, ServedJobs
from backfill.service.shutdown import Shutdown
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import Stopped
from tests.event_factories import batch_done

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NIGHT = "window: 22:00-06:00 UTC"
TEXT = "name: {name}\ntable: t\nset: {{x: {value}}}\nwhere: x IS NULL\n{more}\n"
STOPPED = 143


class Daemon:
    """A directory that is served: jobs end with the code that `codes` has for them, 0 without; time passes in sleeps.

    `steps` happen one a sleep, `runs` one a run of that job; the loop is stopped when no step is left.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.codes: dict[str, list[int]] = {}
        self.runs: dict[str, list[Callable[[], None]]] = {}
        self.steps: list[Callable[[], None]] = []
        self.resumes: dict[str, int] = {}
        self.ran: list[str] = []
        self.told: list[str] = []
        self.events: list[Event] = []
        self.now_s = 0.0
        self.shutdown = Shutdown(lambda _: None)
        self.activity = RunActivity()
        self.serving = Serving(
            ServedJobs(directory, read_job, lambda error: self.told.append(str(error))),
            self.shutdown,
            self.activity,
            ServeRuntime(
                run=self.run,
                last_resume=self.last_resume,
                record=self.events.append,
                now_s=lambda: self.now_s,
                now=lambda: NOON + timedelta(seconds=self.now_s),
                sleep=lambda _: anyio.sleep_forever(),
            ),
        )
        self.shutdown.sleep = self.sleep  # type: ignore[method-assign]

    def write(self, name: str, more: str = "", *, value: str = "y", file: str = "") -> None:
        path = self.directory / (file or f"{name}.yaml")
        path.write_text(TEXT.format(name=name, value=value, more=more), encoding="utf-8")

    async def run(self, job_file: JobFile) -> int:
        name = job_file.job.name
        self.ran.append(name)
        if self.runs.get(name):
            self.runs[name].pop(0)()
        if self.shutdown.run_ends:
            self.shutdown.run_ended()
            return STOPPED
        codes = self.codes.get(name, [])
        return codes.pop(0) if codes else 0

    async def last_resume(self, job: str) -> int | None:
        return self.resumes.get(job)

    async def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s
        if not self.steps:
            self.shutdown.signal = signal.SIGTERM
            raise Stopped("stopped")
        self.steps.pop(0)()

    async def serve(self, *steps: Callable[[], None], idle: int = 1) -> None:
        self.steps = [*steps, *[lambda: None] * idle]
        assert await self.serving.serve() == STOPPED

    @property
    def waits(self) -> set[tuple[str, str]]:
        return {(event.job, str(event.reason)) for event in self.events if isinstance(event, WaitStarted)}


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    directory = tmp_path / "jobs"
    directory.mkdir()
    return Daemon(directory)


async def test_a_directory_that_goes_is_reported_once_and_served_again_when_it_is_back(daemon: Daemon):
    daemon.directory.rmdir()

    def back() -> None:
        daemon.directory.mkdir()
        daemon.write("a")

    await daemon.serve(lambda: None, back, lambda: None)
    assert daemon.told == [
        f"{daemon.directory}: cannot be read: no such file or directory; name a directory of job files"
    ]
    assert daemon.ran == ["a"]


@pytest.mark.parametrize(("code", "runs"), [(0, 1), (2, 1), (3, 1), (1, 3), (4, 3), (75, 3)])
async def test_what_failed_is_tried_again_and_what_ended_or_is_wrong_is_not(daemon: Daemon, code: int, runs: int):
    daemon.write("a")
    daemon.codes["a"] = [code] * 9
    daemon.write("b", file="b.yml")
    (daemon.directory / "notes.txt").write_text("c 0")
    (daemon.directory / "dangling.yaml").symlink_to(daemon.directory / "nothing")
    (daemon.directory / "folder.yaml").mkdir()
    await daemon.serve(idle=int(2 * RETRY_S / RESCAN_S))
    assert daemon.ran == ["a", "b", *["a"] * (runs - 1)]
    assert daemon.told == []


async def test_a_changed_file_is_run_again_and_a_wrong_one_reported_once(daemon: Daemon):
    daemon.write("a")
    wrong = daemon.directory / "a.yaml"

    def spoil() -> None:
        wrong.write_text("wrong", encoding="utf-8")

    await daemon.serve(lambda: daemon.write("a", "lanes: 2"), spoil, idle=3)
    assert daemon.ran == ["a", "a"]
    assert len(daemon.told) == 1
    assert daemon.told[0].startswith(f"{wrong}:1:1: ")


async def test_a_new_file_is_seen_while_another_job_rests_after_a_failure(daemon: Daemon):
    daemon.write("a")
    daemon.codes["a"] = [1]
    await daemon.serve(lambda: daemon.write("b"))
    assert daemon.ran == ["a", "b"]


@pytest.mark.parametrize(("before", "later", "runs"), [(None, None, 1), (None, 7, 2), (7, 7, 1), (7, 9, 2)])
async def test_a_resume_that_came_since_cuts_the_rest_after_a_failure_short(
    daemon: Daemon, before: int | None, later: int | None, runs: int
):
    daemon.write("a")
    daemon.codes["a"] = [4, 4]
    daemon.resumes |= {"a": before} if before else {}
    await daemon.serve(lambda: daemon.resumes.update({"a": later} if later else {}), idle=2)
    assert daemon.ran == ["a"] * runs
    assert daemon.now_s < RETRY_S


async def test_jobs_come_by_window_priority_and_name_and_after_those_they_name(daemon: Daemon):
    daemon.write("a", "after: [d]")
    daemon.write("b", NIGHT)
    daemon.write("c")
    daemon.write("d", "priority: -1")
    daemon.write("e", "priority: 5")
    await daemon.serve()
    assert daemon.ran == ["e", "c", "d", "a", "b"]
    assert ("a", "waits for job 'd': not started yet") in daemon.waits


async def test_a_job_behind_one_that_failed_or_is_wrong_says_so_and_starts_when_that_is_done(daemon: Daemon):
    daemon.write("a")
    daemon.codes["a"] = [1, 3]
    daemon.write("b", "after: [a]")
    await daemon.serve(idle=int(RETRY_S / RESCAN_S))
    assert daemon.ran == ["a", "a"]
    failed = "failed; remove the cause; to try it at once: backfill resume a"
    unconverged = "unconverged; exclude its rows by 'where', or fill them otherwise"
    assert daemon.waits == {("b", f"waits for job 'a': {how}") for how in ("not started yet", failed, unconverged)}
    path = daemon.directory / "a.yaml"
    daemon.shutdown.signal = None
    await daemon.serve(lambda: daemon.write("a", "max_rejected: 5"), path.unlink)
    assert daemon.ran == ["a", "a", "a", "b"]


async def test_an_order_that_cannot_be_is_refused_once_until_it_can(daemon: Daemon):
    daemon.write("a", "after: [zebra]")
    daemon.write("b")
    await daemon.serve(lambda: None, lambda: daemon.write("zebra"))
    assert daemon.told == [f"{daemon.directory}/a.yaml:5:9: no job 'zebra' in this directory; there are a, b"]
    assert daemon.ran == ["b", "zebra", "a"]


def waiting(job: str, kind: WaitKind) -> WaitStarted:
    return WaitStarted(job, WaitReason(kind, "because"), 0.25)


async def test_changed_limits_of_the_job_at_work_take_effect_from_its_checkpoint(daemon: Daemon):
    daemon.write("a")

    def change() -> None:
        daemon.serving.look()
        assert not daemon.shutdown.run_ends
        daemon.write("a", "# a comment")
        daemon.serving.look()
        assert not daemon.shutdown.run_ends, "a comment changes nothing"
        daemon.write("a", "throttle: {max_lag: 1s}")
        daemon.activity.record(PassDone("a", 1, 5), 0.0)
        daemon.serving.look()
        assert not daemon.shutdown.run_ends, "the final read goes on"
        daemon.activity.record(batch_done(job="a"), 0.0)
        daemon.serving.look()
        ends = str(daemon.shutdown.run_ends)
        assert ends == "its file changed; it continues at the checkpoint with the new limits"

    daemon.runs["a"] = [change]
    await daemon.serve()
    assert (daemon.ran, daemon.told) == (["a", "a"], [])


async def test_another_spec_of_the_job_at_work_is_refused_once_with_the_difference_and_it_goes_on(daemon: Daemon):
    daemon.write("a")

    def change() -> None:
        daemon.write("a", value="z")
        daemon.serving.look()
        daemon.serving.look()
        assert not daemon.shutdown.run_ends

    daemon.runs["a"] = [change]
    await daemon.serve()
    assert daemon.told == [
        (
            f"{daemon.directory}/a.yaml:3:10: job 'a' was started with another file\n- set.x: y\n+ set.x: z\n"
            "give the job another name, or start it anew with --restart (rows that are filled stay filled)"
        )
    ]
    assert daemon.ran == ["a", "a"], "it is asked again when the job has ended, and then the database refuses it"


async def test_a_job_whose_window_is_closed_gives_way_to_one_whose_window_is_open(daemon: Daemon):
    daemon.write("a", NIGHT)

    def look() -> None:
        daemon.activity.record(waiting("a", WaitKind.SCHEDULE), 0.0)
        daemon.serving.look()
        assert not daemon.shutdown.run_ends, "there is no other"
        daemon.write("b", NIGHT)
        daemon.serving.look()
        assert not daemon.shutdown.run_ends, "its window is closed, too"
        daemon.write("c")
        daemon.activity.record(waiting("a", WaitKind.LAG), 0.0)
        daemon.serving.look()
        assert not daemon.shutdown.run_ends, "it works outside its window, and waits for a replica"
        daemon.activity.record(waiting("a", WaitKind.SCHEDULE), 0.0)
        daemon.serving.look()
        ends = str(daemon.shutdown.run_ends)
        assert ends == "its window is closed, and that of job 'c' is open"

    daemon.runs["a"] = [look]
    await daemon.serve()
    assert daemon.ran == ["a", "c", "a", "b"]


def test_a_batch_is_the_end_of_a_wait():
    activity = RunActivity()
    activity.record(waiting("a", WaitKind.SCHEDULE), 0.0)
    assert activity.waits_for_window("a")
    assert not activity.waits_for_window("b")
    done = batch_done(job="a")
    assert isinstance(done, BatchDone)
    activity.record(done, 0.0)
    assert not activity.waits_for_window("a")
