"""Job files: one by its name, and those of a directory."""

from __future__ import annotations

from pathlib import Path

from backfill.jobfile.load import JobFile, load
from backfill.values.errors import JobError


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
