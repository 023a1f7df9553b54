"""What the server knows before a row is touched: the table, its leaves, the rights, the job's expressions.

Each check raises `JobError` at a place of the job file, with the fact and the remedy. Imports `statements` and
`session`.

To add a check: its catalog query in `sql/catalog/`, a pure rule (in `table/` if it decides), and a case in
`tests/integration/catalog`. What a run would refuse, `plan` refuses with the same words.
"""
