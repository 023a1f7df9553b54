"""The proof as a statement: what matches still, how much of it no UPDATE would mend, and where such rows are.

Samples are looked up by address: an array of all keys would not fit memory where millions of rows are left.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from backfill.pg.clauses import alone_of, key_of, name_of, target_of
from backfill.pg.matching import Matching

_SAMPLES = SQL("ARRAY(SELECT {key} FROM {target} AS sampled WHERE sampled.ctid = ANY (found.tids) LIMIT 5) AS samples")
_UNKNOWN = SQL("NULL").format()


def compose_proof(matching: Matching) -> Composed:
    """Return the statement: rows left, unconverged (NULL where not foreseen), without a partner, and samples."""
    return _of_joined(matching) if matching.job.using else _of_one_table(matching)


def _of_one_table(matching: Matching) -> Composed:
    stuck = SQL("{} IS TRUE").format(matching.still_matches()) if matching.foreseen else _UNKNOWN
    return SQL(
        "SELECT found.rows_left, found.rows_unconverged, 0 AS rows_without_partner,\n{samples}\n"
        "FROM (\n"
        "SELECT coalesce(sum(rows), 0)::bigint AS rows_left, coalesce(sum(stuck), 0)::bigint AS rows_unconverged,\n"
        "array_agg(tid) AS tids\n"
        "FROM (\n"
        "SELECT count(*) AS rows, count(*) FILTER (WHERE {stuck}) AS stuck, min(ctid) AS tid\n"
        "FROM {target}\nWHERE {left}\nGROUP BY hashtid(ctid) & 7\n"
        ") AS parts\n) AS found"
    ).format(samples=_samples(matching), stuck=stuck, target=target_of(matching.table), left=matching.left())


def _of_joined(matching: Matching) -> Composed:
    # Reads of their own for what is left, if anything is: within one read each row would look for its partners alone.
    unconverged = _left_but(matching.found(again=True), matching) if matching.foreseen else _UNKNOWN
    alone = _left_but(matching.found(again=False), matching) if matching.alone else SQL("0").format()
    return SQL(
        "SELECT found.rows_left, {unconverged} AS rows_unconverged, {alone} AS rows_without_partner,\n{samples}\n"
        "FROM (\n"
        "SELECT coalesce(sum(rows), 0)::bigint AS rows_left, array_agg(tid) AS tids\n"
        "FROM (\n"
        "SELECT count(*) AS rows, min(ctid) AS tid\n"
        "FROM {target}\nWHERE {left}\nGROUP BY hashtid(ctid) & 7\n"
        ") AS parts\n) AS found"
    ).format(
        unconverged=unconverged,
        alone=alone,
        samples=_samples(matching),
        target=target_of(matching.table),
        left=matching.left(),
    )


def _left_but(reached: Composed, matching: Matching) -> Composed:
    return SQL(
        "CASE WHEN found.rows_left > 0 THEN found.rows_left - (\nSELECT count(*) FROM {}\nWHERE {}\n) ELSE 0 END"
    ).format(target_of(matching.table), reached)


def _samples(matching: Matching) -> Composed:
    return _SAMPLES.format(key=key_of(matching.table, name_of("sampled")), target=alone_of(matching.table))
