"""What an error means: which SQLSTATE is retried and how often, which right is missing, what helps a connection. Pure.

`sqlstate` is the table of all policies, `missing_grant` writes the smallest GRANT, `connect_advice` the sentence after
a connection error. `engine/retry_loop.py` is the only interpreter of a remedy.

Imports `jobfile` and `values`. To add a policy: a row in `sqlstate._REMEDIES`, a line in docs/design/failures.md and a
case in `tests/unit/retry/test_sqlstate.py`.
"""
