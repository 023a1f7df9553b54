"""What simulated scenarios share: a link at a rate, a quick primary, and the throttle in a loop with both."""

from __future__ import annotations

from tests.sim.loop import Loop, loop
from tests.sim.path import MB, Path
from tests.sim.plant import Plant, Work

KB = 1024
WARM_S = 6.0
QUICK = Work(row_s=3e-6)


def link(rate: float, *steps: tuple[float, float], **changed) -> Path:
    """Return a path of `rate` MB/s, later of others."""
    return Path(rates=((0.0, rate * MB), *((at_s, one * MB) for at_s, one in steps)), **changed)


def under(path: Path, *others: Path, work: Work = QUICK, seed: int = 1, **throttle) -> Loop:
    return loop(Plant(path, *others, work=work, seed=seed), **throttle)
