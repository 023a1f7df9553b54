"""Texts as an array sent in binary: with array_nulls off, the server takes NULL in an array's text for a word."""

from __future__ import annotations

from struct import Struct

from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, RecursiveDumper
from psycopg.postgres import types
from psycopg.pq import Format

_EMPTY, _HEADER, _ITEM = Struct("!3i"), Struct("!5i"), Struct("!i")
_NULL = _ITEM.pack(-1)


class TextArray(list[str | None]):
    """Texts and NULLs, the same under every setting of a role."""


class _TextArrayDumper(RecursiveDumper):
    format = Format.BINARY
    oid = types["text"].array_oid

    def dump(self, obj: TextArray) -> bytes:
        element = types["text"].oid
        if not obj:
            return _EMPTY.pack(0, 0, element)
        items = [_HEADER.pack(1, None in obj, element, len(obj), 1)]
        for text in obj:
            dumped = None if text is None else self._tx.get_dumper(text, PyFormat.TEXT).dump(text)
            items += [_NULL] if dumped is None else [_ITEM.pack(len(dumped)), bytes(dumped)]
        return b"".join(items)


def send_in_binary(connection: AsyncConnection) -> None:
    """Let each `TextArray` among a session's parameters be sent like this."""
    connection.adapters.register_dumper(TextArray, _TextArrayDumper)
