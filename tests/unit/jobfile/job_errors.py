"""What a wrong job file says, for the tests that hold its exact words."""

from __future__ import annotations

import pytest

from backfill.jobfile.load import load
from backfill.values.errors import JobError

LEAKS = ("input should", "field required", "extra inputs", "value error", "pydantic", "validation", "not permitted")


def errors_of(text: str) -> str:
    """Return the errors of a job file, without its name."""
    with pytest.raises(JobError) as caught:
        load(text, "job.yaml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("job.yaml:") for line in lines)
    return "\n".join(line.removeprefix("job.yaml:") for line in lines)


def has_our_words_only(expected: str) -> bool:
    """Whether no word of a library is in these errors, and each begins in lower case."""
    messages = [line.split(": ", 1)[1].removeprefix("not YAML: ") for line in expected.splitlines()]
    return not any(leak in expected.lower() for leak in LEAKS) and all(text[0] == text[0].lower() for text in messages)
