"""Bars and sparklines as rich text. A cell of a sparkline is full from `full` upward: the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from backfill.observe.terminal.glyphs import Glyphs
from backfill.observe.terminal.history import Level, Mark

CALM_RATIO = 0.5
WARN_RATIO = 0.9
UNKNOWN_STYLE = "bold yellow"
MISSING_STYLE = "bold red"


def budget_style(ratio: float) -> str:
    """Return the colour of a share of a budget: green, yellow from half on, red from nine tenths on."""
    if ratio < CALM_RATIO:
        return "green"
    return "yellow" if ratio < WARN_RATIO else "red"


def sparkline(
    levels: Sequence[Level | None],
    full: float,
    glyphs: Glyphs,
    style: Callable[[float], str] | str = budget_style,
) -> Text:
    """Return one cell for each level, blank before the first; `style` colours a share of `full`."""
    text = Text(no_wrap=True)
    for level in levels:
        if level is None:
            text.append(glyphs.unread if text.plain.strip() else " ", "dim")
        elif level is Mark.UNKNOWN:
            text.append(glyphs.unknown, UNKNOWN_STYLE)
        elif level is Mark.MISSING:
            text.append(glyphs.missing, MISSING_STYLE)
        else:
            ratio = share(level, full)
            top = len(glyphs.levels) - 1
            text.append(
                glyphs.levels[min(top, int(max(0.0, ratio) * top))],
                style if isinstance(style, str) else style(ratio),
            )
    return text


def share(level: float, full: float) -> float:
    """Return level / full; if the budget is 0, anything above 0 is all of it."""
    return level / full if full > 0 else float(level > 0)


def bar(ratio: float, width: int, glyphs: Glyphs, style: str) -> Text:
    """Return a progress bar of `width` cells; full only at 1."""
    text = Text(no_wrap=True)
    halves = int(min(1.0, max(0.0, ratio)) * width * 2)
    done, tip = divmod(halves, 2)
    text.append(glyphs.bar_done * done + glyphs.bar_tip * tip, style)
    text.append(glyphs.bar_left * (width - done - tip), "dim")
    return text
