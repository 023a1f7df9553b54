"""A job file's text as YAML nodes with their positions, or everything that keeps it from being one tree.

Only plain YAML passes: tags, anchors, aliases, merge keys, duplicate keys and a second document are refused, and a
scalar stays the text that was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from backfill.jobfile.field_types import UnquotedScalar
from backfill.jobfile.source.location import line_column
from backfill.jobfile.source.syntax_errors import describe_syntax_error
from backfill.values.text import shown

CHARACTERS_MAX = 1_000_000
DEPTH_MAX = 8
NODES_MAX = 5_000
"""Enough for a table of 1,600 columns. Checking a million nodes would take minutes."""

_LONG_ESCAPE = re.compile(r"\\U[0-9a-fA-F]{8}")


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """What is wrong at one character of the file."""

    index: int
    message: str


def read(text: str) -> tuple[MappingNode | None, list[DocumentProblem]]:
    """Return the file's mapping, or None if there is no single tree, and what is wrong with it so far."""
    if len(text) > CHARACTERS_MAX:
        return None, [DocumentProblem(0, f"the file has {len(text)} characters; allowed are {CHARACTERS_MAX}")]
    try:
        problems, sound = _check_events(text)
        root = yaml.compose(text, yaml.SafeLoader) if sound else None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        return None, [_unreadable(text, error)]
    if not sound:
        return None, problems
    if not isinstance(root, MappingNode):
        return None, [*problems, _no_mapping(root)]
    return root, [*problems, *_check_keys(text, root)]


def value_of(node: Node) -> Any:
    """Return the node as mappings, lists and texts; of equal keys the first counts."""
    if isinstance(node, MappingNode):
        values: dict[str, Any] = {}
        for key, value in node.value:
            values.setdefault(key.value if isinstance(key, ScalarNode) else "", value_of(value))
        return values
    if isinstance(node, SequenceNode):
        return [value_of(item) for item in node.value]
    assert isinstance(node, ScalarNode)
    return UnquotedScalar(node.value) if node.style is None else str(node.value)


def _unreadable(text: str, error: Exception) -> DocumentProblem:
    if isinstance(error, ReaderError):
        character = ord(text[error.position])
        return DocumentProblem(error.position, f"character U+{character:04X} is not allowed in a job file")
    if isinstance(error, yaml.MarkedYAMLError):
        return DocumentProblem(*describe_syntax_error(error, text))
    # PyYAML passes on what chr() and int() say of an escape or a version beyond their limits.
    place = _LONG_ESCAPE.search(text)
    return DocumentProblem(place.start() if place else 0, "not YAML: a number out of range")


def _check_events(text: str) -> tuple[list[DocumentProblem], bool]:
    """Return the problems that events show, and whether nodes may be composed: not if they would nest or grow."""
    problems: list[DocumentProblem] = []
    sound, depth, documents, nodes = True, 0, 0, 0
    for event in yaml.parse(text, yaml.SafeLoader):
        index = event.start_mark.index if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if documents > 1:
            return [*problems, DocumentProblem(index, "a second document; a job file has one")], False
        if depth > DEPTH_MAX:
            return [*problems, DocumentProblem(index, f"nested deeper than {DEPTH_MAX} levels")], False
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
            if nodes > NODES_MAX:
                return [
                    *problems,
                    DocumentProblem(index, f"more than {NODES_MAX} keys and values; a job file has few"),
                ], False
            if message := _node_fault(event):
                problems.append(DocumentProblem(index, message))
            sound = sound and not isinstance(event, yaml.AliasEvent)
    return problems, sound


def _node_fault(event: yaml.NodeEvent) -> str | None:
    if isinstance(event, yaml.AliasEvent):
        return f"an alias {shown(f'*{event.anchor}')}; write the value itself"
    if event.anchor is not None:
        return f"an anchor {shown(f'&{event.anchor}')}; remove it"
    tag = getattr(event, "tag", None)
    if tag is not None:
        return f"a tag {shown(tag.replace('tag:yaml.org,2002:', '!!', 1))}; remove it"
    return None


def _no_mapping(root: Node | None) -> DocumentProblem:
    needs = "a job file has at least name, table, set and where"
    if root is None or root.value == "":
        return DocumentProblem(0, f"the file is empty; {needs}")
    kind = "a list" if isinstance(root, SequenceNode) else "a text"
    return DocumentProblem(root.start_mark.index, f"the file is {kind}, not a mapping; {needs}")


def _check_keys(text: str, node: Node) -> Iterator[DocumentProblem]:
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _check_keys(text, item)
    if not isinstance(node, MappingNode):
        return
    places: dict[str, int] = {}
    for key, value in node.value:
        index = key.start_mark.index
        if not isinstance(key, ScalarNode):
            yield DocumentProblem(index, "a key is a mapping or a list; write a name")
        elif key.style is None and key.value == "<<":
            yield DocumentProblem(index, "a merge key '<<'; write the keys themselves")
        elif key.value in places:
            line = line_column(text, places[key.value]).split(":")[0]
            yield DocumentProblem(index, f"duplicate key {shown(key.value)}; it is on line {line} already")
        else:
            places[key.value] = index
        yield from _check_keys(text, value)
