"""DDL of a job, as it acts: every lock taken politely, every statement to be repeated after a kill at any instant.

`polite_lock` is the only way to a strong lock of a table, `sync_trigger` makes and removes the trigger of a job. One
operation a file; each looks in the catalog for what is done already and does the rest. Decisions are in
`backfill.change`, static statements in `sql/change`.

Imports `monitor`, `catalog`, `state`, `statements` and `session`. To add an operation: a module here that names what it
makes by the job, a pure decision for it in `change/`, and a test that kills it behind each of its statements.
"""
