"""Where a plain UPDATE does something that batches, or UPDATEs of one leaf after another, cannot do the same way.

`UPDATE parent SET … WHERE …` is one statement: its statement triggers fire once, its sub-selects see the rows as they
were before it, and constraints that look at several rows are checked when all rows are set. It runs the rules, takes
the defaults and means the row type of the table that it names, not of the leaf that holds a row. (PostgreSQL:
rewriteHandler.c, ExecBSUpdateTriggers in trigger.c, ConvertRowtypeExpr in inherit.c, ExecCrossPartitionUpdate in
nodeModifyTable.c.) Each such difference has a name here. A job that meets one is refused before anything is touched,
unless its file accepts the difference by that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from backfill.jobfile.job import Acceptable


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEffects:
    """What an UPDATE of one table sets off: names of triggers, rules and constraints; defaults of the columns set."""

    table: str
    is_root: bool = True
    holds_rows: bool = True
    rules: tuple[str, ...] = ()
    statement_triggers: tuple[str, ...] = ()
    transition_triggers: tuple[str, ...] = ()
    moving_triggers: tuple[str, ...] = ()
    own_row_triggers: tuple[str, ...] = ()
    several_row_constraints: tuple[str, ...] = ()
    deferrable_triggers: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: its name, the sentence that says it, and the key of the job file at fault."""

    name: str
    sentence: str
    path: tuple[str, ...] = ("table",)

    @property
    def text(self) -> str:
        """The sentence, and what to write if the difference is wanted."""
        if self.name not in get_args(Acceptable):
            return self.sentence
        return f"{self.sentence}; if that is what you want, write accept: [{self.name}]"


def find_differences(tables: Iterable[UpdateEffects], defaulted: Iterable[str]) -> Iterator[Difference]:
    """Yield how batches on these tables, the job's own first, differ from one UPDATE of the first.

    `defaulted` are the columns that are set to DEFAULT.
    """
    root, *leaves = tables
    for table in (root, *leaves):
        yield from _of_table(table, has_leaves=bool(leaves) or not root.holds_rows)
    for column in defaulted:
        for leaf in leaves:
            ours, theirs = leaf.defaults.get(column, ""), root.defaults.get(column, "")
            if ours != theirs:
                yield Difference(
                    name="default",
                    sentence=f"DEFAULT of '{column}' is {theirs or 'NULL'} in '{root.table}' and {ours or 'NULL'}"
                    f" in leaf '{leaf.table}'; write the expression itself",
                    path=("set", column),
                )


def _of_table(table: UpdateEffects, *, has_leaves: bool) -> Iterator[Difference]:
    if not table.is_root and not table.holds_rows:
        return  # neither the plain UPDATE nor ours names it
    for rule in table.rules:
        yield Difference(
            name="rules",
            sentence=f"rule '{rule}' on '{table.table}' rewrites UPDATE, and would rewrite each batch; drop the rule or"
            " use a trigger",
        )
    for trigger in table.statement_triggers:
        yield _statement_trigger(trigger, table, has_leaves=has_leaves)
    for trigger in table.transition_triggers:
        yield Difference(
            name="statement-triggers",
            sentence=f"trigger '{trigger}' on '{table.table}' reads a transition table, which holds the rows of one"
            " batch and not of the whole UPDATE",
        )
    for trigger in table.moving_triggers:
        yield Difference(
            name="moving-trigger",
            sentence=f"trigger '{trigger}' on '{table.table}' sets a column of the partition key: its rows move to"
            " another partition, which an UPDATE of one partition cannot do; disable the trigger or use UPDATE",
        )
    for trigger in table.own_row_triggers:
        yield Difference(
            name="own-table",
            sentence=f"the function of trigger '{trigger}' on '{table.table}' names the table, whose rows this job"
            " changes: in a plain UPDATE it meets them as that one statement leaves them, in a batch as earlier batches"
            " did",
        )
    for constraint in table.several_row_constraints:
        yield Difference(
            name="several-rows",
            sentence=f"constraint '{constraint}' on '{table.table}' is checked when all rows of an UPDATE are set, and"
            " a batch sets only some of them",
        )


def _statement_trigger(trigger: str, table: UpdateEffects, *, has_leaves: bool) -> Difference:
    if table.is_root and has_leaves:
        return Difference(
            name="parent-triggers",
            sentence=f"statement trigger '{trigger}' on '{table.table}' does not fire when its partitions or children"
            " are updated one by one; drop or disable it, or name one partition",
        )
    if not table.is_root:
        return Difference(
            name="statement-triggers",
            sentence=f"statement trigger '{trigger}' on leaf '{table.table}' does not fire for an UPDATE of the job's"
            " table, and would fire for each batch",
        )
    return Difference(
        name="statement-triggers",
        sentence=f"statement trigger '{trigger}' on '{table.table}' fires once for a plain UPDATE and would fire once"
        " for each batch",
    )


def reads_as_a_whole(texts: Iterable[str], row: str) -> bool:
    """Return whether texts of a plan (EXPLAIN VERBOSE) hold the row of that name as a whole: `users.*`."""
    whole = re.compile(rf"{_name(row)}\.\*")
    return any(whole.search(_without_literals(text)) for text in texts)


def columns_read(texts: Iterable[str], alias: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Return which columns texts of a plan read of a table under an alias; its row as a whole reads all of them."""
    plain, asked = tuple(_without_literals(text) for text in texts), tuple(columns)
    if reads_as_a_whole(plain, alias):
        return asked
    named = re.compile(rf'{_name(alias)}\.(?:"((?:[^"]|"")*)"|(\w+))(?![\w"])')
    read = {quoted.replace('""', '"') if quoted else bare for text in plain for quoted, bare in named.findall(text)}
    return tuple(column for column in asked if column in read)


def _name(name: str) -> str:
    return rf"(?<![\w.\"]){_quoted(name)}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'(?:{re.escape(name)}|"{re.escape(doubled)}")'


def _without_literals(text: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "''", text)
