"""Which job of a directory is next, and what the others wait for. Pure: how jobs ended comes with the question."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.values.errors import JobError


class JobStage(StrEnum):
    """How a job of a directory stands in this process."""

    READY = "not started yet"
    RUNNING = "running"
    DONE = "done"
    UNCONVERGED = "unconverged"
    FAILED = "failed"
    REFUSED = "refused"


_NEXT_STEPS = {
    JobStage.UNCONVERGED: "exclude its rows by 'where', or fill them otherwise",
    JobStage.FAILED: "remove the cause; to try it at once: backfill resume {job}",
    JobStage.REFUSED: "correct its file",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job that may start now; `is_open` is whether its time windows are, as far as this process knows."""

    file: str
    priority: int
    is_open: bool


def next_job(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the job that comes first: one with an open window, then the highest priority, then as they were given."""
    return min(candidates, key=lambda candidate: (not candidate.is_open, -candidate.priority), default=None)


def reason_to_wait(job: Job, stages: Mapping[str, JobStage]) -> str | None:
    """Return which job has to be done before this one, and how it stands; None if there is none left."""
    for name in job.after:
        stage = stages.get(name)
        if stage is None:
            return f"waits for job '{name}': no file that can be read defines it"
        if stage is not JobStage.DONE:
            step = _NEXT_STEPS.get(stage)
            return f"waits for job '{name}': {stage}" + (f"; {step.format(job=name)}" if step else "")
    return None


def refused_orders(job_files: Sequence[JobFile], *, complete: bool) -> dict[str, JobError]:
    """Return what is wrong with `after`, by file: names of no job, and circles.

    Unless the list is `complete`, a file that cannot be read may define a name, so none is unknown.
    """
    after = {job_file.job.name: job_file.job.after for job_file in job_files}
    found: dict[str, JobError] = {}
    for job_file in job_files:
        lines = [*_unknown(job_file, after)] if complete else []
        lines += _circles(job_file, after)
        if lines:
            found[job_file.file] = JobError("\n".join(lines))
    return found


def _unknown(job_file: JobFile, names: Collection[str]) -> Iterator[str]:
    for index, name in enumerate(job_file.job.after):
        if name not in names:
            near = get_close_matches(name, names, n=1)
            meant = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(sorted(names))}"
            yield f"{job_file.at('after', index)}: no job '{name}' in this directory; {meant}"


def _circles(job_file: JobFile, after: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for index, name in enumerate(job_file.job.after):
        path = _path(name, job_file.job.name, after)
        if path is not None:
            circle = " after ".join([job_file.job.name, *path])
            yield f"{job_file.at('after', index)}: these jobs wait for each other: {circle}; remove one of these"


def _path(start: str, goal: str, after: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return the shortest way from a job to another one by what each comes after."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop(0)
        if way[-1] == goal:
            return way
        for name in after.get(way[-1], ()):
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None
