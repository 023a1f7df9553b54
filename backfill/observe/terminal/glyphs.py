"""The marks that the terminal views draw with: Unicode blocks, or ASCII if the encoding has no others.

Foreign text passes through here, too: server messages and names may contain escape sequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rich.cells import cell_len, set_cell_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """One set of marks; each is one cell wide, `levels` ascends."""

    levels: str
    bar_done: str
    bar_tip: str
    bar_left: str
    unread: str
    unknown: str
    missing: str
    nothing: str
    dot: str
    times: str
    cut: str

    @property
    def ascii_only(self) -> bool:
        """Whether every text must be ASCII."""
        return self.levels.isascii()

    def clean(self, text: str) -> str:
        """Return `text` as one line of printable characters that the encoding has."""
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return line.encode("ascii", "replace").decode() if self.ascii_only else line

    def fit(self, text: str, width: int) -> str:
        """Return `text`, clean, in at most `width` cells; a cut is marked."""
        text = self.clean(text)
        if cell_len(text) <= width:
            return text
        return set_cell_size(text, max(0, width - 1)).rstrip() + self.cut[: max(0, width)]

    def fit_names(self, names: Iterable[str], width: int) -> dict[str, str]:
        """Return each name in at most `width` cells; long names are cut where they are alike."""
        cleaned = {name: self.clean(name) for name in names}
        long = [name for name in cleaned.values() if cell_len(name) > width]
        alike_before = _alike(long)
        alike_after = _alike([name[::-1] for name in long])
        fitted = {}
        for raw, name in cleaned.items():
            kept = width - 1
            if name not in long or len(name) - alike_after <= kept:
                fitted[raw] = self.fit(name, width)
            elif alike_before >= len(name) - kept:
                fitted[raw] = self.fit(self.cut + name[-kept:], width)
            else:
                fitted[raw] = self.fit(name[: kept // 2] + self.cut + name[kept // 2 - kept :], width)
        return fitted


UNICODE = Glyphs(
    levels="▁▂▃▄▅▆▇█",
    bar_done="━",
    bar_tip="╸",
    bar_left="─",
    unread="·",
    unknown="?",
    missing="×",  # noqa: RUF001 - as drawn
    nothing="–",  # noqa: RUF001 - as drawn
    dot="·",
    times="×",  # noqa: RUF001 - as drawn
    cut="…",
)
ASCII = Glyphs(
    levels="_.-:=+*#",
    bar_done="=",
    bar_tip=">",
    bar_left="-",
    unread=" ",
    unknown="?",
    missing="x",
    nothing="-",
    dot="|",
    times="x",
    cut="~",
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return the marks that a stream of this encoding can write."""
    return UNICODE if (encoding or "").lower().replace("-", "").startswith("utf") else ASCII


def _alike(names: Sequence[str]) -> int:
    """Return how many characters all names begin with in common."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False)))
