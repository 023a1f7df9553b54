"""Rows through a Python function: read, encoded, mapped in another process, and their values as SQL again.

`row_mapper` asks the function ahead of the batch, `mapped_rows` keeps its answers, `encode` turns them into texts that
PostgreSQL reads the same under every setting.

Imports `rowfunction`, `catalog`, `statements` and `session`. To add a type: its reader and writer in `encode`, and a
row in the round-trip test of `tests/integration/mapping`.
"""
