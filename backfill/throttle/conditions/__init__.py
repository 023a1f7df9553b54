"""Signals that can stop the job, one file each: its stop conditions and its readings.

A file has two functions over the same values (limits of the job, signals as read, state of the throttle):

    find(limits, signals, state)      yields a `StopCondition` for each reason to stop now
    readings(limits, signals, state)  yields a `Reading` for each value, with its limit

A value that could not be read is None. If its limit is set, that is a stop condition, too.

To add a signal: its statement in `postgres/sql/monitor/`, with the columns subject, value and why; its limit in
`jobfile/limits.py`; a file here, with a function that names the statement; two entries in `registry.py`. Metrics,
/status.json, the page and the log take the readings as they are. For a metric with a name of its own, add a row to the
table in `observe/metrics/table.py`.

Imports `throttle`, `jobfile` and `values`. No clock and no I/O: the time comes with the signals.
"""
