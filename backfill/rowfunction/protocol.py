"""What passes between us and the process: requests, and the frames that requests and answers travel in.

A request is pickled, because rows hold Python values. An answer is JSON: nothing that the process sends can run code on
our side.
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
    """There is no such function; `at_function` if its module exists."""

    def __init__(self, message: str, *, at_function: bool = False) -> None:
        super().__init__(message)
        self.at_function = at_function


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """The first request: the location of the function, and the columns and types of its rows and values."""

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
    """Each further request: the inputs of rows, in the order of `LoadRequest.inputs`."""

    rows: list[tuple[Any, ...]]


def framed(body: bytes) -> bytes:
    """Return a frame."""
    return HEADER.pack(len(body)) + body
