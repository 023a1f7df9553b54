"""Statements that depend on the job, composed with `psycopg.sql` from its expressions. Pure: no connection.

`predicates` has the conditions, `fragments` the names and ranges, `compose` puts the statements of a job together.
Expressions of the job run under the role's settings and search_path, so everything around them is qualified.

Imports `session` for nothing but files. To add a statement: a function and a field of `Statements`; its golden text and
its plan on each major are tested with the others (`tests/unit/postgres/statements`, `tests/integration/statements`).
"""
