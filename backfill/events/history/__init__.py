"""What a job did, as it is kept: spans of time in which events are summed up, and all that a report shows.

`span` sums events up, `job_history` is what is kept of a job: spans, requests, events, proofs, settings.

Imports `events` and below. To add a figure that is kept: a field of `HistorySpan`, its sum in `added`, its
column in the next migration and in `sql/history`.
"""
