"""What a job may do differently from the plain UPDATE: every exception, with its reason. Nothing else is allowed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exemption:
    """Tables of a case that are not compared, or words of a job that fails in the middle; and why."""

    reason: str
    tables: frozenset[str] = frozenset()
    said: str = ""


STATEMENT_FIRINGS = Exemption(
    "a job is many statements: what a statement trigger does each time that it fires, it does for each batch",
    frozenset({"app.firings"}),
)
WHERE_FAILS_LATER = Exemption(
    "a plain UPDATE never asks `where` of the rows that it leaves, a job has to; where the first rows give an answer and"
    " a later one does not, the job halts there and says so",
    said="'where' fails on a row as 'set' leaves it",
)
EXEMPTIONS = (STATEMENT_FIRINGS, WHERE_FAILS_LATER)

NEVER_GENERATED = (
    "volatile functions, now() and transaction ids: each statement or transaction has its own",
    "sequences: a batch that is rolled back leaves a gap",
    "names of sessions, settings that bound a session's time, current_query(): they say who asks, and how",
    "several partners of a joined row: UPDATE … FROM takes any one of them",
    (
        "a unique constraint that is not deferrable over a column that is set from itself: whether the plain UPDATE"
        " works depends on the order of rows in the file"
    ),
)
"""What has no one right answer, so that no case asks for it."""

ROW_FUNCTION_VALUES = (
    (
        "json and jsonb arrive in Python as its own values and leave as Python spells them: spaces, the last of equal"
        " keys, 1.10 and 1e2 as 1.1 and 100.0, a number of more digits than a float has as the nearest float"
    ),
    "json's null arrives as None, and None is NULL",
    "an array arrives as a list, whose first element is the first: lower bounds become 1",
)
"""What a value is after it has passed through a row function, by its contract: `meant` of a case says it as SQL."""
