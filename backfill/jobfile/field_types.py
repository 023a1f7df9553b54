"""The frame of a job file's types: a value as it was written, and the errors that say what to write instead.

A YAML scalar arrives as text: `Plain` where it stood without quotes, `str` where it was quoted or in lines of its own.
The type says what it means, so nothing is coerced behind anybody's back. Python's own values are taken too, in the
attribute's unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[xo][0-9a-fA-F]+|[-+]?\.inf|\.nan")
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})


class UnquotedScalar(str):
    """A scalar that was written without quotes."""

    __slots__ = ()

    @property
    def kind(self) -> str | None:
        """What YAML 1.2, and so an editor, takes it for where that is not a text."""
        if self in _NOTHING:
            return "nothing"
        if self in _TRUTH:
            return "a truth value"
        return "a number" if _NUMBER.fullmatch(self) else None


def wrong_kind(advice: str) -> PydanticCustomError:
    """Return the error of a text where a number belongs, or the like; `advice` says what to write."""
    return PydanticCustomError("wrong_kind", "{advice}", {"advice": advice})


def not_allowed(allowed: str) -> PydanticCustomError:
    """Return the error of a value beyond its limits; `allowed` says what is within."""
    return PydanticCustomError("not_allowed", "allowed are {allowed}", {"allowed": allowed})


def message(text: str, offset: int = 0) -> PydanticCustomError:
    """Return the error that says all there is to say about the character at `offset` of the value."""
    return PydanticCustomError("sentence", "{text}", {"text": text, "offset": offset})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two values that cannot both hold: the keys where it may be told, and the sentence."""

    places: tuple[tuple[str | int, ...], ...]
    text: str


def contradictory(found: list[Contradiction]) -> PydanticCustomError:
    """Return the error of values that are fine one by one."""
    text = "; ".join(one.text for one in found)
    return PydanticCustomError("contradictory", "{text}", {"text": text, "found": found})


class Omittable:
    """None stands for a key that was left out; nobody writes it."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of the value alone."""
        return {key: value for one in handler(core)["anyOf"] if one != {"type": "null"} for key, value in one.items()}


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
