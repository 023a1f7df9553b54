"""The throttle: one reading of signals in, one decision out. Pure; time comes with the reading.

`decide.decide` is the law. `conditions` finds what stops the job, one file a signal. `replica_window`, `wal_rate`,
`lock_backoff`, `row_cost` and `lsn_clock` are parts of the `state`; `batch_size` says how large the next batch is,
`time_windows` whether a job may work at a moment; `wal_attribution` splits WAL among lanes. `signals` is what was read,
`reading` the form in which it is shown, `wait_reason` why we wait, `decision_values` what was decided and from which
inputs.

Imports `jobfile` (the limits) and `values`; no clock, no random, no I/O. To add a signal, see `conditions`; to add a
kind of wait, a line in `wait_reason.WaitKind`. Break the law in `tests/sim/mutants.py`: a test has to notice.
"""
