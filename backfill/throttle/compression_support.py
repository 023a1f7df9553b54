"""How the server can compress the full-page images of one role's transactions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSupport:
    """What the server has for this role: a method, or none and `why`; `already` is its own setting where that is on."""

    method: str = ""
    why: str = ""
    already: str = ""
