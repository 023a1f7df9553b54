"""An honest ETA: the pace of the last minutes, waits included, carried on to the end of the pass."""

from __future__ import annotations

from dataclasses import dataclass

SPAN_S = 120.0
SPACING_S = 1.0
SHARE_MIN = 0.01
"""Less done than this is mostly a slow start."""
SPAN_MIN_S = 2.0
"""With less history than this there is no ETA, rather than a wild one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Samples of (time, share done), ascending, over at most `SPAN_S`."""

    samples: tuple[tuple[float, float], ...] = ()

    def sample(self, now_s: float, ratio: float) -> Progress:
        """Return the progress with one more sample; a share that fell (a new pass) starts over."""
        if self.samples and ratio < self.samples[-1][1]:
            return Progress(((now_s, ratio),))
        if len(self.samples) > 1 and now_s - self.samples[-2][0] < SPACING_S:
            return Progress((*self.samples[:-1], (now_s, ratio)))
        kept = tuple(pair for pair in self.samples if now_s - pair[0] <= SPAN_S)
        return Progress((*kept, (now_s, ratio)))

    def eta_s(self, now_s: float) -> float | None:
        """Return seconds to the end of the pass at the recent pace; None while it is unknown."""
        if not self.samples:
            return None
        (first_s, first), (_, last) = self.samples[0], self.samples[-1]
        if now_s - first_s < SPAN_MIN_S or last <= first or last < SHARE_MIN:
            return None
        return (1.0 - last) * (now_s - first_s) / (last - first)
