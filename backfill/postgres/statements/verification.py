"""The proof as a statement: which rows still match, how many of them no UPDATE would fix, and where those are.

Samples are looked up by address: an array of all keys would not fit memory where millions of rows are left. Rejected
rows are counted apart and not asked what `set` makes of them, which may be what they were rejected for.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from backfill.postgres.statements.fragments import NOTHING, alone_of, key_of, name_of, range_of, target_of
from backfill.postgres.statements.predicates import RowPredicates

_SAMPLES = SQL(
    "ARRAY(SELECT {key} FROM {target} AS sampled\n"
    "WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples"
)
_UNKNOWN = SQL("NULL").format()
_REJECTED = SQL("ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])")
_COUNTED = SQL(
    "pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE {rejected}) AS rejected,\n"
    "pg_catalog.min(ctid) FILTER (WHERE NOT {rejected}) AS tid"
).format(rejected=_REJECTED)
_SUMMED = SQL(
    "coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,\n"
    "coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids"
)


def compose_proof(predicates: RowPredicates, *, piece: bool = False) -> Composed:
    """Return the statement: rows left, rejected, unconverged (NULL where not foreseen), alone, and samples.

    A `piece` counts a range of pages: the counts of all pieces under one snapshot are those of the whole read.
    """
    within = SQL("{} AND ").format(range_of(predicates.table)) if piece else NOTHING
    return _of_joined(predicates, within) if predicates.job.using else _of_one_table(predicates, within)


def _of_one_table(predicates: RowPredicates, within: Composed) -> Composed:
    stuck = SQL("{} IS TRUE").format(predicates.still_matches()) if predicates.foreseen else _UNKNOWN
    if predicates.once:
        stuck = SQL("{} OR {}").format(predicates.ours(), stuck) if predicates.foreseen else predicates.ours()
    return SQL(
        "SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,\n{samples}\n"
        "FROM (\n"
        "SELECT {summed}, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged\n"
        "FROM (\n"
        "SELECT {counted},\n"
        "pg_catalog.count(*) FILTER (WHERE CASE WHEN {rejected} THEN false ELSE {stuck} END) AS stuck\n"
        "FROM {target}\nWHERE {within}{left}\nGROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7\n"
        ") AS parts\n) AS found"
    ).format(
        samples=_samples(predicates),
        summed=_SUMMED,
        counted=_COUNTED,
        rejected=_REJECTED,
        stuck=stuck,
        target=target_of(predicates.table),
        within=within,
        left=predicates.left(),
    )


def _of_joined(predicates: RowPredicates, within: Composed) -> Composed:
    # Reads of their own for what is left, if anything is: within one read each row would look for its partners alone.
    unconverged, alone = _UNKNOWN, SQL("0").format()
    if predicates.counts_unconverged:
        others = SQL("{}NOT {} AND {}").format(within, _REJECTED, predicates.found(again=True))
        unconverged = _left_but(
            others, SQL("(found.rows_left OPERATOR(pg_catalog.-) found.rows_rejected)").format(), predicates
        )
    if predicates.alone:
        partnered = SQL("{}{}").format(within, predicates.partnered())
        alone = _left_but(partnered, SQL("found.rows_left").format(), predicates)
    return SQL(
        "SELECT found.rows_left, found.rows_rejected, {unconverged} AS rows_unconverged,\n"
        "{alone} AS rows_without_partner,\n{samples}\n"
        "FROM (\n"
        "SELECT {summed}\n"
        "FROM (\n"
        "SELECT {counted}\n"
        "FROM {target}\nWHERE {within}{left}\nGROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7\n"
        ") AS parts\n) AS found"
    ).format(
        unconverged=unconverged,
        alone=alone,
        samples=_samples(predicates),
        summed=_SUMMED,
        counted=_COUNTED,
        target=target_of(predicates.table),
        within=within,
        left=predicates.left(),
    )


def _left_but(reached: Composed, of: Composed, predicates: RowPredicates) -> Composed:
    return SQL(
        "CASE WHEN found.rows_left OPERATOR(pg_catalog.>) 0 THEN {} OPERATOR(pg_catalog.-) (\n"
        "SELECT pg_catalog.count(*) FROM {}\nWHERE {}\n) ELSE 0 END"
    ).format(of, target_of(predicates.table), reached)


def _samples(predicates: RowPredicates) -> Composed:
    return _SAMPLES.format(key=key_of(predicates.table, name_of("sampled")), target=alone_of(predicates.table))
