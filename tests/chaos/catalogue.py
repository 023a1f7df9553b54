"""The faults by name, and what each of them needs of its round. What they do is in `tests.chaos.injections`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STEPS = ("update", "checkpoint", "history", "commit", "scout", "verify", "gate", "between-passes", "vacuum", "random")
"""Steps of the loop at which a worker is made to stand, and then killed or told to stop."""


class Shape(StrEnum):
    """A table as it is drawn."""

    KEYED = "keyed"
    KEYLESS = "keyless"
    PARTITIONED = "partitioned"


ALL = tuple(Shape)
WHOLE = (Shape.KEYED, Shape.KEYLESS)


@dataclass(frozen=True)
class Fault:
    """A fault; `servers` are those of a sandbox of its own, empty where it takes the shared ones.

    `calm` keeps the application from making rows due, so that the run that met the fault has to fill all of them.
    `alone` has no other fault beside it; `dense` has all rows due at first, `large` so many that a VACUUM of ours runs.
    """

    name: str
    servers: str = ""
    shapes: tuple[Shape, ...] = ALL
    lanes: tuple[int, ...] = (1, 2, 3)
    calm: bool = False
    alone: bool = False
    dense: bool = False
    large: bool = False


_STEPS_NEED = {
    "verify": {"shapes": WHOLE, "lanes": (1,)},
    "between-passes": {"shapes": WHOLE, "lanes": (1,)},
    "vacuum": {"shapes": (Shape.KEYED,), "lanes": (1,), "large": True, "dense": True, "alone": True},
}

FAULTS: tuple[Fault, ...] = (
    *(Fault(f"{what}-{step}", **_STEPS_NEED.get(step, {})) for step in STEPS for what in ("kill", "term")),  # type: ignore[arg-type]
    Fault("backend-killed"),
    Fault("walsender-killed"),
    Fault("standby-killed"),
    Fault("primary-killed"),
    Fault("promotion", servers="heir", alone=True),
    Fault("standby-link-cut", dense=True),
    Fault("standby-link-frozen"),
    Fault("standby-link-slow"),
    Fault("worker-link-cut"),
    Fault("worker-link-frozen"),
    Fault("worker-link-slow"),
    Fault("vacuum-full"),
    Fault("cluster"),
    Fault("truncate"),
    Fault("drop-create"),
    Fault("add-column"),
    Fault("rows-moved", shapes=WHOLE, lanes=(1,), calm=True, alone=True, dense=True),
    Fault("attach-detach", shapes=(Shape.PARTITIONED,), alone=True),
    Fault("leaf-refilled", shapes=(Shape.PARTITIONED,), calm=True, alone=True),
    Fault("two-workers"),
    Fault("five-workers"),
    Fault("ten-workers", alone=True),
    Fault("zombie", shapes=WHOLE, lanes=(2,), dense=True, alone=True),
    Fault("idle-lock"),
    Fault("deadlock", dense=True),
    Fault("statement-timeout", dense=True),
    Fault("max-connections"),
    Fault("disk-full", servers="small-disk", shapes=(Shape.KEYED,), lanes=(1,), calm=True, alone=True, dense=True),
    Fault("checkpoint-edited"),
    Fault("pause-resume", dense=True),
    Fault("pgbouncer-session", alone=True),
    Fault("pgbouncer-transaction", calm=True, alone=True),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
