r"""Text for databases that are not UTF-8: a character that the server's encoding lacks is written as an escape.

Our own reasons, and names in a job file, may have such characters. A name with one is that of nothing in the database,
and its escape is not either; a reason reads well enough with `\u2192` in it. Expressions are not escaped: they are
statements, not values, and the server refuses them.
"""

from __future__ import annotations

import codecs
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.string import StrDumper, StrDumperUnknown

WHOLE = ("UTF8", "SQL_ASCII")
"""Encodings that hold every character, or do not look."""


def codec_of(server_encoding: str) -> str:
    """Return Python's name for a server encoding, or that of the least that all have."""
    for name in (server_encoding, server_encoding.replace("WIN", "cp"), server_encoding.replace("KOI8", "KOI8-")):
        try:
            return codecs.lookup(name).name
        except LookupError:
            continue
    return "ascii"


def escape_unknown(connection: AsyncConnection[Any]) -> None:
    """Let parameters of a session hold no character that the database cannot."""
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding in WHOLE:
        return
    for strict in (StrDumper, StrDumperUnknown):
        connection.adapters.register_dumper(str, _escaping(strict, codec_of(encoding)))


def _escaping(strict: type[Any], codec: str) -> type[Any]:
    class Escaping(strict):  # type: ignore[misc]
        def dump(self, obj: str) -> Any:
            return super().dump(obj.encode(codec, "backslashreplace").decode(codec))

    return Escaping
