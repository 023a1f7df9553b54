"""The frame of a job's models: frozen, strict, under the contract's keys or the attributes' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class StrictModel(BaseModel):
    """A part of a job file: nothing is coerced, nothing may be added."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


def written(parse: Callable[[str], Any], default: str, description: str, *, key: str | None = None) -> Any:
    """Return a field whose default reads in the JSON Schema as a person would write it."""
    shown: dict[str, Any] = {"default": default, "examples": [default]}
    return Field(default=parse(default), alias=key, description=description, json_schema_extra=shown)
