"""All that knows PostgreSQL: the only package that imports psycopg. It meets neither `engine` nor `observe`.

From top to bottom: `plan` (what `backfill plan` finds out), `work` (batches, reads, vacuum: the engine's sessions),
`monitor` (signals) and `mapping` (row functions), `catalog` (what the server says of tables and expressions) and
`state` (schema backfill), `statements` (composed SQL, pure), `session` (connections). `sql/` has the static statements,
one a file, in folders of the same names.

Imports `events` and what is below. To add a statement: a file in `sql/<package>/` with a sentence above it, run as
`statement("<package>/<name>")`; one that depends on the job is composed in `statements` with a golden text and an
EXPLAIN.
"""
