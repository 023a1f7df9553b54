"""Positions in a job file: from a key, and a character of its value, to the line and column that an editor shows.

Lines and columns count from 1, in characters. A scalar's value differs from what was written (quotes, escapes, folded
lines, indentation), but its visible characters are in the same order in both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.scanner import Scanner

from backfill.values.identifier import parse_column
from backfill.values.text import shown

_BREAK = re.compile(r"\r\n|\r|\n")
_BLANK = frozenset(" \t\r\n\x85\u2028\u2029")
_SINGLE = re.compile(r"''|(?s:.)")
_DOUBLE = re.compile(r"\\x(?P<x>..)|\\u(?P<u>.{4})|\\U(?P<U>.{8})|\\(?P<escape>(?s:.))|(?s:.)")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class SourceNode:
    """A node of the file, its name in messages, and whether it is the requested one or the nearest around it."""

    node: Node
    label: str
    found: bool = True


def find_node(root: MappingNode, path: tuple[str | int, ...]) -> SourceNode:
    """Return the value at a path of keys and list indexes, or the nearest around it.

    A mapping's pair may be named by its index, a column of `set` by its name in the catalog; `column` after either is
    the key itself.
    """
    key: Node = root
    node: Node = root
    label = "the file"
    for step in path:
        if isinstance(node, MappingNode):
            pair = _pair(node, step)
            if pair is None:
                return SourceNode(node, label, found=step == "expression")
            key, node = pair
            label = shown(key.value) if isinstance(key, ScalarNode) else "a key"
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            key = node = node.value[step]
            label = f"item {step + 1} of {label}"
        elif step == "column":
            node = key
        elif step != "expression":
            return SourceNode(node, label, found=False)
    return SourceNode(node, label)


def _pair(node: MappingNode, step: str | int) -> tuple[Node, Node] | None:
    pairs = _pairs(node)
    if isinstance(step, int):
        return list(pairs.values())[step] if step < len(pairs) else None
    return pairs.get(step) or next((pair for key, pair in pairs.items() if _names(key, step)), None)


@lru_cache(maxsize=8)
def _pairs(node: MappingNode) -> dict[str, tuple[Node, Node]]:
    """Return a mapping's pairs by key, kept for the next of many mistakes."""
    pairs: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        pairs.setdefault(key.value if isinstance(key, ScalarNode) else "", (key, value))
    return pairs


def _names(key: str, column: str) -> bool:
    try:
        return parse_column(key) == column
    except ValueError:
        return False


def line_column(text: str, index: int) -> str:
    """Return `line:column` of the character at `index`."""
    if index == 0:
        return "1:1"
    begins = _begins(text)
    line = bisect_right(begins, max(index, begins[0]))
    return f"{line}:{max(index - begins[line - 1], 0) + 1}"


@lru_cache(maxsize=1)
def _begins(text: str) -> tuple[int, ...]:
    """Return where each line begins; of the last text only, which is asked about again and again."""
    first = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0
    return (first, *(found.end() for found in _BREAK.finditer(text)))


def source_index(text: str, node: ScalarNode, offset: int) -> int:
    """Return where in `text` the character at `offset` of the scalar's value was written.

    Exact for every visible character; a blank is placed by its distance from the one before it.
    """
    value: str = node.value
    place, end = 0, node.start_mark.index
    for index, length, character in _visible(text, node):
        before = place
        while place < len(value) and value[place] != character:
            place += 1
        if offset < place:
            return min(end + offset - before, index)
        if offset == place:
            return index
        place, end = place + 1, index + length
    return end


def _visible(text: str, node: ScalarNode) -> Iterator[tuple[int, int, str]]:
    """Give each written character that stands in the value whatever the folding: its index, length and meaning."""
    start, stop = node.start_mark.index, node.end_mark.index
    if node.style == "'":
        for found in _SINGLE.finditer(text, start + 1, stop - 1):
            if found[0] not in _BLANK:
                yield found.start(), len(found[0]), found[0][0]
    elif node.style == '"':
        yield from _escaped(text, start + 1, stop - 1)
    else:
        if node.style in {"|", ">"}:
            header = _BREAK.search(text, start, stop)
            start = header.end() if header else stop
        yield from ((index, 1, text[index]) for index in range(start, stop) if text[index] not in _BLANK)


def _escaped(text: str, start: int, stop: int) -> Iterator[tuple[int, int, str]]:
    for found in _DOUBLE.finditer(text, start, stop):
        code = found["x"] or found["u"] or found["U"]
        if code:
            yield found.start(), len(found[0]), chr(int(code, 16))
        elif found["escape"]:
            character = Scanner.ESCAPE_REPLACEMENTS.get(found["escape"])
            if character is not None:
                yield found.start(), len(found[0]), character
        elif found[0] not in _BLANK:
            yield found.start(), 1, found[0]
