"""A job file: from its text and name to the job, with the position of every value in the text.

All mistakes are reported together, one line each, in the order of the file: `file:line:col: problem; fix`.
`spec_hash` changes with what the file asks for, not with its layout, its comments (also in SQL) or our defaults.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode

from backfill.jobfile.job import Job
from backfill.jobfile.source.document import DocumentProblem, read
from backfill.jobfile.source.location import find_node, line_column, source_index
from backfill.jobfile.sql_expression import normalized
from backfill.jobfile.unknown_keys import known
from backfill.jobfile.validation_messages import validation_messages
from backfill.values.errors import JobError

PROBLEMS_MAX = 50
"""Mistakes that are reported one by one: a file with more is not a job file."""

_CUT_OFF = re.compile(r"[ \t]+(#(?:>>?|-))[ \t]*'")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A job and the text that it was read from."""

    file: str
    text: str
    job: Job
    spec_hash: str
    root: MappingNode = field(repr=False, compare=False)

    def at(self, *path: str | int, offset: int = 0) -> str:
        """Return `file:line:col` of a value by its keys, and of the character at `offset` of that value.

        `("set", "handle")` is the expression of a column, `("set", "handle", "column")` its key. The position of a
        value that is not in the file is that of the nearest mapping around it.
        """
        place = find_node(self.root, path)
        index = place.node.start_mark.index
        if place.found and isinstance(place.node, ScalarNode) and place.node.value:
            index = source_index(self.text, place.node, max(offset, 0))
        return f"{self.file}:{line_column(self.text, index)}"


def load(text: str, file: str) -> JobFile:
    """Return the job of a file's text; raise JobError with everything that is wrong, one line each."""
    root, problems = read(text)
    if root is None:
        raise _error(file, text, problems)
    values, unknown = known(root)
    problems += [*unknown, *_cut_off(text, root)]
    try:
        job = Job.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _error(file, text, [*problems, *validation_messages(error, text, root)]) from None
    if problems:
        raise _error(file, text, problems)
    return JobFile(file=file, text=text, job=job, spec_hash=_spec_hash(job, values), root=root)


def _error(file: str, text: str, problems: list[DocumentProblem]) -> JobError:
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.index)
    reported, more = ordered[:PROBLEMS_MAX], ordered[PROBLEMS_MAX:]
    if more:
        reported.append(DocumentProblem(more[0].index, f"{len(more)} more mistakes from here on"))
    lines = [f"{file}:{line_column(text, problem.index)}: {problem.message}" for problem in reported]
    return JobError("\n".join(lines))


def _cut_off(text: str, root: MappingNode) -> Iterator[DocumentProblem]:
    """Find expressions that YAML cuts at an SQL operator that begins with `#`: what is left may be valid SQL."""
    for key in ("set", "where", "using"):
        place = find_node(root, (key,))
        for node in _scalars(place.node) if place.found else ():
            found = _CUT_OFF.match(text, node.end_mark.index) if node.style is None else None
            if found:
                message = f"'{found[1]}' begins a comment in YAML; quote the expression, or write it in lines after '|'"
                yield DocumentProblem(found.start(1), message)


def _scalars(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, MappingNode):
        for _, value in node.value:
            yield from _scalars(value)


def _spec_hash(job: Job, values: dict[str, Any]) -> str:
    spec = _written(job.model_dump(mode="json", by_alias=True), values)
    spec["set"] = {column: normalized(expression) for column, expression in spec["set"].items()}
    spec["where"] = normalized(spec["where"])
    if job.using is not None:
        spec["using"]["on"] = normalized(job.using.on)
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _written(spec: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the spec that the file wrote: the hash must not change when our defaults do."""
    parts: dict[str, Any] = {}
    for key, value in values.items():
        part = spec[key]
        if isinstance(part, list):
            part = sorted(part, key=json.dumps)
        elif isinstance(part, dict) and key != "set":
            part = _written(part, value)
        if part != {}:
            parts[key] = part
    return parts
