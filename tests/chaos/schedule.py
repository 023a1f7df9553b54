"""What happens in a round, drawn from its seed alone: the table, the lanes, the faults in their order."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.chaos.catalogue import BY_NAME, FAULTS, Fault, Shape

FAULTS_MAX = 3
ROWS = (3_000, 6_000, 12_000)
ROWS_LARGE = 20_000
FILLERS = (0, 60, 400)
"""Bytes beside the columns: many rows a page, or many pages."""


@dataclass(frozen=True)
class Plan:
    """One round. `sparse`: one row in fifty is due at first; `odd_names`: names that have to be quoted."""

    seed: int
    faults: tuple[str, ...]
    shape: Shape
    rows: int
    filler: int
    lanes: int
    sparse: bool
    odd_names: bool
    calm: bool
    servers: str
    plain_stripes: bool

    def __str__(self) -> str:
        """Return the table in words, as a line of the campaign tells it."""
        words = [self.shape, f"{self.rows} rows", f"{self.filler} B", f"{self.lanes} lanes" if self.lanes > 1 else ""]
        words += ["sparse" if self.sparse else "", "odd names" if self.odd_names else "", "calm" if self.calm else ""]
        return ", ".join(filter(None, words))


def schedule(seed: int, among: tuple[str, ...] = (), *, every: bool = False) -> Plan:
    """Return the round of a seed; the first fault goes through all names in turn, so that each comes up.

    With `among` all faults are of these, and the first goes through them; with `every` it has each of them.
    """
    chance = random.Random(f"round {seed}")
    names = among or tuple(fault.name for fault in FAULTS)
    faults = [BY_NAME[names[seed % len(names)]]]
    if not faults[0].alone:
        count = len(names) if every else chance.randint(1, FAULTS_MAX)
        others = [BY_NAME[name] for name in names if not BY_NAME[name].alone]
        for other in chance.sample(others, len(others)):
            if len(faults) < count and together((*faults, other)):
                faults.append(other)
        chance.shuffle(faults)
    shapes, lanes = _common(faults)
    large = any(fault.large for fault in faults)
    return Plan(
        seed=seed,
        faults=tuple(fault.name for fault in faults),
        shape=chance.choice(shapes),
        rows=ROWS_LARGE if large else chance.choice(ROWS),
        filler=chance.choice(FILLERS),
        lanes=chance.choice(lanes),
        sparse=not any(fault.dense for fault in faults) and chance.random() < 0.25,
        odd_names=chance.random() < 0.4,
        calm=any(fault.calm for fault in faults),
        servers=faults[0].servers,
        plain_stripes=large,
    )


def together(faults: tuple[Fault, ...]) -> bool:
    """Whether faults may share a round: another one each, none that wants to be alone, a table that suits all."""
    shapes, lanes = _common(list(faults))
    distinct = len({fault.name for fault in faults}) == len(faults)
    return distinct and not any(fault.alone or fault.servers for fault in faults) and bool(shapes) and bool(lanes)


def _common(faults: list[Fault]) -> tuple[list[Shape], list[int]]:
    shapes = [shape for shape in Shape if all(shape in fault.shapes for fault in faults)]
    lanes = [number for number in (1, 2, 3) if all(number in fault.lanes for fault in faults)]
    return shapes, lanes
