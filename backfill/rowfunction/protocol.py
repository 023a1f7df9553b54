"""What passes between us and the process: requests, and the frames that requests and answers travel in.

A request is pickled, for rows hold Python's own values; an answer is JSON, for nothing that the process says is run
on our side.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEADER = struct.Struct(">Q")
"""A frame is the length of its body, then the body."""

Encode = Callable[[Any, str], str | None]
"""Turns a value into the text that PostgreSQL reads as a type, None for NULL."""


class Unloadable(Exception):
    """There is no such function; `at_function` where its module is there."""

    def __init__(self, message: str, *, at_function: bool = False) -> None:
        super().__init__(message)
        self.at_function = at_function


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """The first request: where the function is, and how its rows and values look."""

    directory: str
    function: str
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]
    encode: Encode

    @property
    def module(self) -> str:
        """The module's name."""
        return self.function.partition(":")[0]

    @property
    def attribute(self) -> str:
        """The function's name in its module."""
        return self.function.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Rows:
    """Each further request: the inputs of rows, in the order of `Opening.inputs`."""

    rows: list[tuple[Any, ...]]


def framed(body: bytes) -> bytes:
    """Return a frame."""
    return HEADER.pack(len(body)) + body
