"""The two ends of a change: what happens before a job's first batch and after its last one. Pure decisions and values.

`lock_mode` knows which locks conflict, `blocker` names a session that is in the way of one, `lock_patience` is the law
of a polite lock: when to try, how long, what to do after a failure. `sync_trigger` names the trigger that fills rows
that others write, and knows when a proof may rely on it; `row_condition` turns `where` into its WHEN. `postgres/change`
acts on all of them.
`gate.decide` says whether a deploy may begin, from `gate_values`. `findings/` judges what was read of a database before
a run, a group of findings a file.

Imports `throttle`, `retry`, `jobfile` and `values`; no clock, no driver. To add a decision: a frozen value and a
function here, with its test in `tests/unit/change`, and the module in `postgres/change`, `postgres/monitor` or
`service` that acts.
"""
