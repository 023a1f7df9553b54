"""What happened, as frozen values: the only thing that sinks read.

One file a group: `job`, `leaf`, `batch`, `throttle`, `vacuum`, `ddl`, `sync`; `plan` has the values of `backfill plan`.
`event` is the union of all events and their JSON form, `build` makes events from readings and decisions, `readings`
groups readings by replica, `job_outcome` says in a sentence how a job ended. Every event has its `job`; an event
recorded before something happens says so in its name (`WaitStarted`, `RetryScheduled`).

Imports `table`, `upkeep`, `throttle`, `jobfile` and below. To add an event: a frozen dataclass in the file of its
group, then in the union `Event`; mypy names the sinks that have to decide what to do with it.
"""
