"""Pydantic's errors, each at its position in the file and in words for the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from backfill.jobfile.field_types import UnquotedScalar
from backfill.jobfile.source.document import DocumentProblem
from backfill.jobfile.source.location import SourceNode, find_node, source_index
from backfill.values.text import shown

_EXAMPLES = {
    "name": "name: users-handle",
    "table": "table: public.users",
    "set": "set: {handle: username}",
    "where": "where: handle IS NULL",
    "using": "using: {table: accounts, on: accounts.id = users.account_id}",
    "on": "on: accounts.id = users.account_id",
    "python": "python: {function: handles:make_handle, inputs: [username]}",
    "function": "function: handles:make_handle",
    "inputs": "inputs: [username]",
    "batch": "batch: {rows: 5000}",
    "throttle": "throttle: {max_lag: 10s}",
    "replicas": "replicas: {min: 1}",
    "max": "max: 50",
    "columns": "columns: [handle]",
    "finish": "finish: {not_null: [handle]}",
    "indexes": "{columns: [handle], unique: true, name: users_handle_key}",
    "probes": "{name: active, sql: SELECT count(*) FROM pg_stat_activity, max: 50}",
}

_SECRET = frozenset({"direct", "prometheus"})
"""Keys whose values may hold a password: no message quotes them."""


def validation_messages(error: ValidationError, text: str, root: MappingNode) -> Iterator[DocumentProblem]:
    """Yield a message for each error, at its position."""
    for finding in error.errors(include_url=False):
        path, context = finding["loc"], finding.get("ctx", {})
        if finding["type"] == "contradictory":
            for contradiction in context["contradictions"]:
                nodes = [find_node(root, (*path, *inner)) for inner in contradiction.paths]
                place = next((node for node in nodes if node.found), nodes[0])
                yield DocumentProblem(place.node.start_mark.index, contradiction.text)
            continue
        place = find_node(root, path)
        index = place.node.start_mark.index
        if finding["type"] == "sentence" and isinstance(place.node, ScalarNode) and place.node.value:
            index = source_index(text, place.node, context["offset"])
        key = next(str(step) for step in reversed(path) if isinstance(step, str))
        yield DocumentProblem(index, _words(finding["type"], key, place, context))


def _words(kind: str, key: str, place: SourceNode, context: dict[str, Any]) -> str:
    wrote = _description(place.node, kind=kind == "wrong_kind", secret=key in _SECRET)
    match kind:
        case "missing":
            words = f"missing key '{key}'; write it as {_EXAMPLES[key]}"
        case "sentence":
            words = str(context["text"])
        case "value_error":
            words = str(context["error"]) if key == "column" else f"{place.label} is {context['error']}"
        case "wrong_kind":
            words = f"{place.label} is {wrote}; {context['advice']}"
        case "not_allowed":
            words = f"{place.label} is {wrote}; allowed are {context['allowed']}"
        case "model_type":
            words = f"{place.label} is {wrote}; write a mapping such as {_EXAMPLES[key]}"
        case _:
            words = f"{place.label} is {wrote}, which is not allowed here"
    return words


def _description(node: Node, *, kind: bool, secret: bool) -> str:
    """Return what a person would say that they wrote, with its kind if that may be the mistake."""
    if isinstance(node, MappingNode):
        return "a mapping" if node.value else "an empty mapping"
    if isinstance(node, SequenceNode):
        return "a list" if node.value else "an empty list"
    assert isinstance(node, ScalarNode)
    if node.style is None and not node.value:
        return "empty"
    read_as = UnquotedScalar(node.value).kind if kind else None
    if read_as and node.style is not None:
        read_as = "a text"
    if secret:
        return read_as or "a text"
    return f"{shown(node.value)}, {read_as}" if read_as else shown(node.value)
