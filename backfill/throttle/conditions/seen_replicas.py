"""Replicas that the job has seen on this server, and would miss: when and where each was seen first.

Standbys may share a name, because the default one is `walreceiver` for all. Of such a name it is the number that
counts, and an address says which one is missing: one that comes back with another address is the one that was missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from backfill.throttle.signals import Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenReplica:
    """One that was in view: `name` as in reasons, `application_name` as it calls itself, since when and where."""

    name: str
    application_name: str = ""
    address: str | None = None
    since: str | None = None

    @property
    def origin(self) -> str:
        """When and where it was seen, as far as that is known."""
        where = "" if self.address in (None, "local") else f" at {self.address}"
        return "seen by this job" + (f" since {self.since}" if self.since else "") + where


def after_reading(
    seen: Iterable[SeenReplica], present: Collection[Replica], counted: Collection[str], now: str | None
) -> tuple[tuple[SeenReplica, ...], tuple[SeenReplica, ...]]:
    """Return what has been seen by now, and those of them that are missing; of those present, `counted` are added."""
    groups: dict[str, tuple[list[SeenReplica], list[Replica]]] = {}
    for known_before in seen:
        _group(groups, known_before)[0].append(known_before)
    for in_view in present:
        _group(groups, in_view)[1].append(in_view)
    taken = {replica.name for replica in present}
    still: list[SeenReplica] = []
    missing: list[SeenReplica] = []
    for group, members in groups.items():
        pairs, absent = _pair(*members)
        for replica, known in pairs:
            if known is not None:
                moved = known.address not in (None, replica.address)
                since = now if moved else known.since
                still.append(replace(known, name=replica.name, address=replica.address, since=since))
            elif replica.name in counted:
                still.append(SeenReplica(name=replica.name, application_name=group, address=replica.address, since=now))
        missing += [
            replace(replica, name=f"{group}@{replica.address or 'unknown'}") if replica.name in taken else replica
            for replica in absent
        ]
    return (*still, *missing), tuple(missing)


def _group(
    groups: dict[str, tuple[list[SeenReplica], list[Replica]]], replica: SeenReplica | Replica
) -> tuple[list[SeenReplica], list[Replica]]:
    """Return those of the same name: who was seen, and who is present."""
    return groups.setdefault(replica.application_name or replica.name, ([], []))


def _pair(
    known: list[SeenReplica], present: list[Replica]
) -> tuple[list[tuple[Replica, SeenReplica | None]], list[SeenReplica]]:
    """Return each one that is present with what was known of it, by its address if it can be, and who is left over."""
    left, pairs = list(known), []
    for replica in present:
        same = next((seen for seen in left if _same_place(seen, replica)), None)
        if same is not None:
            left.remove(same)
        pairs.append((replica, same))
    # A new address takes the position of one that is no longer there.
    pairs = [(replica, same or (left.pop() if left else None)) for replica, same in pairs]
    return pairs, left


def _same_place(known: SeenReplica, replica: Replica) -> bool:
    return known.name == replica.name if known.address is None else known.address == replica.address
