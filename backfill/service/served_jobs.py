"""The jobs of a directory: how each stands, which is next, what the others wait for, and whether a file changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backfill.jobfile.load import JobFile
from backfill.jobfile.schedule.job_order import Candidate, JobStage, next_job, reason_to_wait, refused_orders
from backfill.jobfile.spec import is_same, other_spec, spec_of
from backfill.service.job_directory import job_paths
from backfill.throttle.time_windows import any_open
from backfill.values.errors import BackfillError, JobError
from backfill.values.exit_codes import ExitCode

RETRY_S = 60.0
"""A job that failed or halted is tried again after this: most causes go away without a new pod."""
SIGNALLED = 128
"""Exit codes above this are those of a run that was stopped."""

_STAGES = {
    ExitCode.DONE: JobStage.DONE,
    ExitCode.UNCONVERGED: JobStage.UNCONVERGED,
    ExitCode.INVALID: JobStage.REFUSED,
}
"""How a job stands after a run that ended with this code, which only another text of its file can change."""


@dataclass(slots=True, kw_only=True)
class ServedJob:
    """A file and how its job stands; `job_file` is None if it is wrong. `resume` is the last one that was seen."""

    path: Path
    text: str
    job_file: JobFile | None
    stage: JobStage = JobStage.READY
    retry_s: float = 0.0
    resume: int | None = None


class ServedJobs:
    """The files as they were last read. What is wrong with one is reported once."""

    def __init__(
        self, directory: Path, read: Callable[[Path], JobFile], report: Callable[[BackfillError], None]
    ) -> None:
        self.running: ServedJob | None = None
        self._directory = directory
        self._read = read
        self._report = report
        self._known: dict[Path, ServedJob] = {}
        self._paths: list[Path] = []
        self._refused: dict[str, JobError] = {}
        self._reported: dict[Path, str] = {}

    def scan(self) -> None:
        """Look for new, changed and removed files. That of the job at work stays as it was when it began."""
        try:
            self._paths = job_paths(self._directory)
        except JobError as error:
            self._report_once(self._directory, error)
            self._paths = []
            return
        self._reported.pop(self._directory, None)
        for path in self._paths:
            known, text = self._known.get(path), _text(path)
            if known is None or (known.text != text and known is not self.running):
                self._known[path] = ServedJob(path=path, text=text, job_file=self._load(path))
        here = [self._known[path] for path in self._paths]
        job_files = [served.job_file for served in here if served.job_file is not None]
        self._refused = refused_orders(job_files, complete=len(job_files) == len(here))
        for served in here:
            if (refused := self._refused.get(str(served.path))) is not None:
                self._report_once(served.path, refused)

    def next(self, now_s: float, now: datetime) -> ServedJob | None:
        """Return the job to run now; None if none may."""
        first = next_job(self._candidates(now_s, now))
        return self._known[Path(first.file)] if first is not None else None

    def another_may_work(self, now_s: float, now: datetime) -> str | None:
        """Return the name of a job that could work now in place of the one at work."""
        for candidate in self._candidates(now_s, now):
            served = self._known[Path(candidate.file)]
            if candidate.is_open and served is not self.running and served.job_file is not None:
                return served.job_file.job.name
        return None

    def waits(self) -> Iterator[tuple[str, str]]:
        """Yield jobs that wait for another one, with the reason."""
        stages = self._stages()
        for served in self._startable():
            assert served.job_file is not None
            reason = reason_to_wait(served.job_file.job, stages)
            if reason is not None:
                yield served.job_file.job.name, reason

    def failed(self) -> list[ServedJob]:
        """Return the jobs that are to be tried again."""
        return [served for served in self._startable() if served.stage is JobStage.FAILED]

    def change(self) -> JobFile | None:
        """Return the file of the job at work if its limits changed; report once if more did, or if it is wrong."""
        running = self.running
        if running is None or running.path not in self._paths or (text := _text(running.path)) == running.text:
            return None
        assert running.job_file is not None
        changed, before = self._load(running.path), running.job_file
        if changed is None or changed.job.name != before.job.name:
            return None
        if not is_same(spec_of(before.job), spec_of(changed.job)):
            self._report_once(running.path, other_spec(changed, spec_of(before.job)))
            return None
        if changed.job == before.job:
            running.text = text
            return None
        return changed

    def ended(self, served: ServedJob, code: int, now_s: float, resume: int | None) -> None:
        """Learn how the run of a job ended."""
        self.running = None
        served.stage = _STAGES.get(ExitCode(code), JobStage.FAILED) if code < SIGNALLED else JobStage.READY
        served.retry_s, served.resume = now_s + RETRY_S, resume

    def _candidates(self, now_s: float, now: datetime) -> Iterator[Candidate]:
        stages = self._stages()
        for served in self._startable():
            assert served.job_file is not None
            job = served.job_file.job
            rests = served.stage is JobStage.FAILED and now_s < served.retry_s
            if not rests and reason_to_wait(job, stages) is None:
                is_open = any_open(job.window, now)
                yield Candidate(file=str(served.path), priority=job.priority, is_open=is_open)

    def _startable(self) -> Iterator[ServedJob]:
        for path in self._paths:
            served = self._known[path]
            may_start = served.stage in (JobStage.READY, JobStage.FAILED) and str(path) not in self._refused
            if may_start and served.job_file is not None:
                yield served

    def _stages(self) -> dict[str, JobStage]:
        return {
            served.job_file.job.name: JobStage.REFUSED if str(path) in self._refused else served.stage
            for path in self._paths
            if (served := self._known[path]).job_file is not None
        }

    def _load(self, path: Path) -> JobFile | None:
        try:
            return self._read(path)
        except BackfillError as error:
            self._report_once(path, error)
            return None

    def _report_once(self, path: Path, error: BackfillError) -> None:
        if self._reported.get(path) != str(error):
            self._reported[path] = str(error)
            self._report(error)


def _text(path: Path) -> str:
    """Return the file's text for change detection; read errors are reported when the job is loaded."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
