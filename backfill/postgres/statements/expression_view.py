"""The expressions of a job as a view: what the server notes of a view are the objects that they need."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

from backfill.jobfile.job import Job
from backfill.postgres.statements.fragments import NOTHING, expression, joined_of, name_of

VIEWS = ("backfill_expressions", "backfill_probes")
"""Temporary, and rolled back as soon as they were read."""


def compose_expression_views(job: Job) -> tuple[Composed, ...]:
    """Return the statements that make them: of `set`, `where` and `using.on`, and of the probes by SQL."""
    expressions = [
        *(
            assignment.expression
            for assignment in job.assignments
            if assignment.column not in job.from_python and assignment.expression.strip().upper() != "DEFAULT"
        ),
        job.where,
        *([job.using.on] if job.using else ()),
    ]
    joined = SQL(", {}").format(joined_of(job.using)) if job.using else NOTHING
    source = SQL("\nFROM {}{}").format(name_of(job.table.schema, job.table.name), joined)
    probes = [probe.sql for probe in job.throttle.probes if probe.sql is not None]
    expressions_view, probes_view = VIEWS
    views = [_view(expressions_view, expressions, source)]
    return (*views, *([_view(probes_view, probes, NOTHING)] if probes else ()))


def _view(name: str, texts: list[str], source: Composed) -> Composed:
    columns = SQL(", ").join(
        SQL("{} AS {}").format(expression(text), Identifier(f"column_{number}")) for number, text in enumerate(texts)
    )
    return SQL("CREATE VIEW {} AS\nSELECT {}{}").format(Identifier("pg_temp", name), columns, source)
