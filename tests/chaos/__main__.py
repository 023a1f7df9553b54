"""`python -m tests.chaos --rounds 200 --seed 1`: the campaign. Exits with 1 when a promise was broken or a fault missed.

A round is drawn from its seed alone; round n has seed + n. `--fault` draws from these faults only. `--mutant` switches a
protection off, `--mutants` each in turn on the fault that shows it: there the campaign has to find what is broken.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.chaos import report
from tests.chaos.catalogue import BY_NAME
from tests.chaos.mutants import BY_NAME as MUTANTS
from tests.chaos.report import Result
from tests.chaos.run_trial import run_trial
from tests.chaos.schedule import schedule
from tests.chaos.servers import MAKERS, CannotBeHadError, Servers

SUMMARY_EVERY = 10


class Grounds:
    """The shared servers, made once they are asked for; others are made for one round."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._shared: Servers | None = None

    def play(self, seed: int, among: tuple[str, ...], folder: Path, mutant: str = "") -> Result:
        """Play the round of a seed."""
        plan = schedule(seed, among)
        if not plan.servers:
            self._shared = self._shared or self._stack.enter_context(MAKERS[""]())
            return run_trial(plan, self._shared, folder, mutant)
        try:
            with MAKERS[plan.servers]() as servers:
                return run_trial(plan, servers, folder, mutant)
        except CannotBeHadError as error:
            return Result(plan, 0.0, skipped=((plan.faults[0], str(error)),))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", nargs="+", default=[], choices=BY_NAME, metavar="NAME")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS], metavar="NAME")
    parser.add_argument("--mutants", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ExitStack() as stack:
        if asked.mutants:
            return _mutants(Grounds(stack), folder, asked.seed)
        return _campaign(Grounds(stack), folder, asked)


def _campaign(grounds: Grounds, folder: Path, asked: argparse.Namespace) -> int:
    results: list[Result] = []
    began_s = time.monotonic()
    for number in range(asked.rounds):
        seed = asked.seed + number
        logs = folder / str(seed)
        logs.mkdir(parents=True)
        result = grounds.play(seed, tuple(asked.fault), logs, asked.mutant)
        results.append(result)
        if result.good:
            shutil.rmtree(logs)
        say(report.line(number + 1, asked.rounds, result))
        for told in report.details(result, replay(asked, seed)):
            say(told)
        if (number + 1) % SUMMARY_EVERY == 0:
            say(f"      {report.eta(number + 1, asked.rounds, time.monotonic() - began_s)}")
    say("")
    for told in report.summary(results):
        say(told)
    if all(result.good for result in results):
        folder.rmdir()
        return 0
    return 1


def replay(asked: argparse.Namespace, seed: int) -> str:
    """Return the command that plays a round again."""
    faults = f" --fault {' '.join(asked.fault)}" if asked.fault else ""
    mutant = f" --mutant {asked.mutant}" if asked.mutant else ""
    return f"python -m tests.chaos --rounds 1 --seed {seed}{faults}{mutant}"


def _mutants(grounds: Grounds, folder: Path, seed: int) -> int:
    survived = 0
    for mutant in MUTANTS.values():
        logs = folder / mutant.name
        logs.mkdir(parents=True)
        result = grounds.play(seed, (mutant.fault,), logs, mutant.name)
        found = [one for one in result.violations if one.kind is mutant.broken]
        survived += not found
        say(f"{mutant.name:18} {mutant.protection:44} {mutant.fault:18} {'caught' if found else 'SURVIVES'}")
        for one in result.violations:
            say(f"      {one.kind}: {one.text}")
        for name, why in result.missed:
            say(f"      {name} was missed: {why}")
    return 1 if survived else 0


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
