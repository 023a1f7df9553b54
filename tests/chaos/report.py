"""What the campaign prints: a line a round, the time that is left, and for each fault its times and violations. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from backfill.values.units import format_duration
from tests.chaos.oracle import Violation
from tests.chaos.schedule import Plan


@dataclass(frozen=True)
class Result:
    """How a round ended: `skipped` and `missed` are reasons by fault, `kept` is where its logs are."""

    plan: Plan
    took_s: float
    violations: tuple[Violation, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    missed: tuple[tuple[str, str], ...] = ()
    kept: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing was broken, and every fault that can be had here was had."""
        return not self.violations and not self.missed


def line(number: int, rounds: int, result: Result) -> str:
    """Return the line of a round."""
    skipped = dict(result.skipped)
    faults = " ".join(f"({name})" if name in skipped else name for name in result.plan.faults)
    verdict = "ok" if result.good else "VIOLATION" if result.violations else "MISSED"
    return (
        f"{number:4}/{rounds}  seed {result.plan.seed:<6} {result.took_s:5.1f}s  {verdict:9}  {faults}  [{result.plan}]"
    )


def details(result: Result, replay: str) -> list[str]:
    """Return what a round that is not good shows, and how it is played again."""
    if result.good:
        return []
    lines = [f"      {one.kind}: {one.text}" for one in result.violations]
    lines += [f"      {name} was missed: {why}" for name, why in result.missed]
    return [*lines, f"      again: {replay}", f"      logs:  {result.kept}"]


def eta(done: int, rounds: int, elapsed_s: float) -> str:
    """Return the progress and what is left, by the mean round so far."""
    left_s = elapsed_s / done * (rounds - done)
    return f"{done} of {rounds} rounds in {format_duration(round(elapsed_s))}, {format_duration(round(left_s))} left"


def summary(results: list[Result]) -> list[str]:
    """Return for each fault how often it was had and what was broken; one that was skipped has its reason."""
    times: Counter[str] = Counter()
    skips: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    broken: dict[str, Counter[str]] = {}
    why: dict[str, str] = {}
    for result in results:
        skipped, missed = dict(result.skipped), dict(result.missed)
        why |= skipped
        for name in result.plan.faults:
            times[name] += name not in skipped and name not in missed
            skips[name] += name in skipped
            misses[name] += name in missed
            broken.setdefault(name, Counter()).update({str(one.kind) for one in result.violations})
    lines = [f"{'fault':24} {'times':>5} {'skipped':>7} {'missed':>6}  violations"]
    for name in sorted(broken):
        said = ", ".join(f"{kind} ({count})" for kind, count in sorted(broken[name].items())) or "0"
        reason = f"  ({why[name]})" if name in why else ""
        lines.append(f"{name:24} {times[name]:5} {skips[name]:7} {misses[name]:6}  {said}{reason}")
    bad = sum(1 for result in results if result.violations)
    lines.append(
        f"{len(results)} rounds, {sum(times.values())} faults, {sum(skips.values())} skipped,"
        f" {sum(misses.values())} missed, {bad} rounds with violations"
    )
    return lines
