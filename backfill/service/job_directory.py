"""`backfill serve`: the jobs of a directory in name order, then those that are new or changed, for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backfill.jobfile.load import JobFile
from backfill.service.app import App
from backfill.values.errors import BackfillError, JobError, Stopped

RESCAN_S = 5.0
RETRY_S = 60.0
"""A job that failed or halted is tried again after this: most causes heal without a new pod."""


def job_paths(directory: Path) -> list[Path]:
    """Return the directory's job files in name order; hidden names are a ConfigMap's own business."""
    try:
        return sorted(
            path
            for path in directory.iterdir()
            if path.suffix in (".yaml", ".yml") and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        why = str(error.strerror).lower()
        raise JobError(f"{directory}: cannot be read: {why}; name a directory of job files") from None


async def serve(
    app: App, directory: Path, read: Callable[[Path], JobFile], tell: Callable[[BackfillError], None]
) -> int:
    """Run what the directory holds until stopped; return the signal's exit code."""
    done: dict[Path, str] = {}
    retry_in_s = 0.0
    while True:
        failed = False
        try:
            paths = job_paths(directory)
        except JobError as error:
            tell(error)
            paths, failed = [], True
        for path in paths:
            text = _text(path)
            if done.get(path) == text:
                continue
            code = await _run(app, path, read, tell)
            if app.stop.signal is not None:
                return app.stop.exit_code
            if code in (0, 2, 3):
                done[path] = text
            else:
                failed = True
        retry_in_s = RETRY_S if failed else RESCAN_S
        try:
            await app.stop.sleep(retry_in_s)
        except Stopped:
            return app.stop.exit_code


def _text(path: Path) -> str:
    """Return what is there to change; what cannot be read is told when the job is read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


async def _run(app: App, path: Path, read: Callable[[Path], JobFile], tell: Callable[[BackfillError], None]) -> int:
    try:
        job_file = read(path)
    except BackfillError as error:
        tell(error)
        return error.exit_code
    return await app.run_one(job_file, tell)
