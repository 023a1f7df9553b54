"""`backfill serve`: the jobs of a directory in name order, then new and changed ones, forever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from backfill.jobfile.load import JobFile, load
from backfill.service.shutdown import Shutdown
from backfill.values.errors import BackfillError, JobError, Stopped
from backfill.values.exit_codes import ExitCode

RESCAN_S = 5.0
RETRY_S = 60.0
"""A job that failed or halted is tried again after this: most causes go away without a new pod."""

_SETTLED = frozenset({ExitCode.DONE, ExitCode.INVALID, ExitCode.UNCONVERGED})
"""Results that only another text of the job file can change."""


def read_job(path: Path) -> JobFile:
    """Return a job file's content; raise JobError with file:line:col."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JobError(f"{path}:1:1: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise JobError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    return load(text, str(path))


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


async def serve_directory(
    directory: Path,
    read: Callable[[Path], JobFile],
    run: Callable[[JobFile], Awaitable[int]],
    shutdown: Shutdown,
    report: Callable[[BackfillError], None],
) -> int:
    """Run the jobs of the directory until stopped; return the signal's exit code."""
    settled: dict[Path, str] = {}
    while True:
        failed = False
        try:
            paths = job_paths(directory)
        except JobError as error:
            report(error)
            paths, failed = [], True
        for path in paths:
            text = _text(path)
            if settled.get(path) == text:
                continue
            code = await _run_file(path, read, run, report)
            if shutdown.signal is not None:
                return shutdown.exit_code
            if code in _SETTLED:
                settled[path] = text
            else:
                failed = True
        try:
            await shutdown.sleep(RETRY_S if failed else RESCAN_S)
        except Stopped:
            return shutdown.exit_code


def _text(path: Path) -> str:
    """Return the file's text for change detection; read errors are reported when the job is loaded."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


async def _run_file(
    path: Path,
    read: Callable[[Path], JobFile],
    run: Callable[[JobFile], Awaitable[int]],
    report: Callable[[BackfillError], None],
) -> int:
    try:
        job_file = read(path)
    except BackfillError as error:
        report(error)
        return error.exit_code
    return await run(job_file)
