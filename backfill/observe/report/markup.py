"""HTML elements as values: a text becomes HTML here or nowhere, so that what others wrote stays text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from backfill.values.redact import redact

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_EMPTY = frozenset({"meta", "line", "rect", "polyline", "circle", "col"})


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is safe as it is."""

    html: str


Child = Markup | str


def element(tag: str, *children: Child, **attributes: str | float) -> Markup:
    """Return an element; an attribute's underscores are hyphens, `class_` is class, numbers have one decimal."""
    written = "".join(f' {_name(name)}="{_text(_value(value))}"' for name, value in attributes.items())
    if tag in _EMPTY and not children:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{joined(*children).html}</{tag}>")


def joined(*children: Child) -> Markup:
    """Return elements and texts one after the other."""
    return Markup("".join(child.html if isinstance(child, Markup) else _text(child) for child in children))


def _text(text: str) -> str:
    return escape(_CONTROL.sub(" ", redact(text)), quote=True)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
