"""What a job file's types are made of: a value as it was written, the model, and errors that say what to write instead.

A YAML scalar arrives as text: `UnquotedScalar` if it was written without quotes, `str` if it was quoted or a block. Its
type decides what it means, and nothing is coerced silently. Python values are accepted, too, in the attribute's unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[xo][0-9a-fA-F]+|[-+]?\.inf|\.nan")
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})


class UnquotedScalar(str):
    """A scalar that was written without quotes."""

    __slots__ = ()

    @property
    def kind(self) -> str | None:
        """What YAML 1.2, and so an editor, takes it for, if not for a text."""
        if self in _NOTHING:
            return "nothing"
        if self in _TRUTH:
            return "a truth value"
        return "a number" if _NUMBER.fullmatch(self) else None


def wrong_kind(advice: str) -> PydanticCustomError:
    """Return the error of a value of the wrong kind, such as a text for a number; `advice` says what to write."""
    return PydanticCustomError("wrong_kind", "{advice}", {"advice": advice})


def not_allowed(allowed: str) -> PydanticCustomError:
    """Return the error of a value beyond its limits; `allowed` says what is within."""
    return PydanticCustomError("not_allowed", "allowed are {allowed}", {"allowed": allowed})


def message(text: str, offset: int = 0) -> PydanticCustomError:
    """Return an error with a message of its own, about the character at `offset` of the value."""
    return PydanticCustomError("sentence", "{text}", {"text": text, "offset": offset})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two values that contradict each other: the keys that may be reported, and the sentence."""

    paths: tuple[tuple[str | int, ...], ...]
    text: str


def contradictory(contradictions: list[Contradiction]) -> PydanticCustomError:
    """Return the error of values that are each fine alone."""
    text = "; ".join(contradiction.text for contradiction in contradictions)
    return PydanticCustomError("contradictory", "{text}", {"text": text, "contradictions": contradictions})


class Omittable:
    """None stands for an omitted key; nobody writes it."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of the value alone."""
        [schema] = (kind for kind in handler(core)["anyOf"] if kind != {"type": "null"})
        return dict(schema)


@dataclass(frozen=True, slots=True)
class ParsedType:
    """A type: its function from what was written to the value, and its JSON Schema."""

    parse: Callable[[Any], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let `parse` do all of the validation."""
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return what an editor may check."""
        return dict(self.schema)


class StrictModel(BaseModel):
    """A part of a job file: nothing is coerced, nothing may be added."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


def written(parse: Callable[[str], Any], default: str, description: str, *, key: str | None = None) -> Any:
    """Return a field whose default reads in the JSON Schema as a person would write it."""
    shown: dict[str, Any] = {"default": default, "examples": [default]}
    return Field(default=parse(default), alias=key, description=description, json_schema_extra=shown)
