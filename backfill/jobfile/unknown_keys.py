"""The keys that a job file may have, and what to say about others."""

from __future__ import annotations

from difflib import get_close_matches
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from backfill.jobfile.job import Job
from backfill.jobfile.source.document import DocumentProblem, value_of
from backfill.values.text import shown

Path = tuple[str, ...]


def models(model: type[BaseModel] = Job, path: Path = ()) -> dict[Path, type[BaseModel]]:
    """Return the model at each path that is a mapping of fixed keys, or a list of such mappings."""
    found = {path: model}
    for name, field in model.model_fields.items():
        inner = _item(field.annotation)
        if inner is not None and field.alias != "set":
            found |= models(inner, (*path, field.alias or name))
    return found


def _item(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, optional or not, or in a tuple."""
    kind = get_args(annotation)[0] if get_origin(annotation) in (tuple, UnionType) else annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


_KEYS = {path: [field.alias or name for name, field in model.model_fields.items()] for path, model in models().items()}


def known(node: MappingNode, path: Path = ()) -> tuple[dict[str, Any], list[DocumentProblem]]:
    """Return the values of known keys, and what is wrong with the others."""
    values: dict[str, Any] = {}
    problems: list[DocumentProblem] = []
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, ScalarNode) else "<<"
        if key == "<<" or key in values:
            continue  # not a key, or not the first of its name: reported with the document
        if key not in _KEYS[path]:
            message = f"unknown key {shown(key)}; {_meant(path, key)}"
            problems.append(DocumentProblem(key_node.start_mark.index, message))
        elif (*path, key) in _KEYS and isinstance(value_node, MappingNode):
            values[key], inner = known(value_node, (*path, key))
            problems += inner
        elif (*path, key) in _KEYS and isinstance(value_node, SequenceNode):
            values[key], inner = _known_items(value_node, (*path, key))
            problems += inner
        else:
            values[key] = value_of(value_node)
    return values, problems


def _known_items(node: SequenceNode, path: Path) -> tuple[list[Any], list[DocumentProblem]]:
    values: list[Any] = []
    problems: list[DocumentProblem] = []
    for item in node.value:
        value, inner = known(item, path) if isinstance(item, MappingNode) else (value_of(item), [])
        values.append(value)
        problems += inner
    return values, problems


def _meant(path: Path, key: str) -> str:
    elsewhere = [".".join((*other, key)) for other, keys in _KEYS.items() if key in keys]
    near = elsewhere or get_close_matches(key, _KEYS[path], n=1)
    return f"did you mean '{near[0]}'?" if near else f"allowed are {', '.join(_KEYS[path])}"
