"""What a senior DBA would check before a run: findings, each ok, warn or stop, with a reason and a remedy.

`facts` is what was read; `finding` is one judgement; the other files judge, a group each: the table, its writes, its
values, WAL and slots, replicas, vacuum, other sessions. `registry` has all checks in the order in which they are shown.

Imports `throttle`, `jobfile` and `values`; pure. To add a finding: a fact in `facts` (and its SQL in
`postgres/sql/plan`), a function that yields findings in the file of its group, a line in `registry`, a test for each
side, and a row in the table of docs/operations/findings.md.
"""
