"""How the server can compress the full-page images of one role's transactions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSupport:
    """What the server offers this role: a method, or none and `why`; `already` is its own setting if that is on."""

    method: str = ""
    why: str = ""
    already: str = ""
