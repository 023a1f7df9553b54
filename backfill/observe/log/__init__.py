"""The log sink: `setup` configures the process's logger, `events` writes events as lines at their levels.

Imports structlog and `retry` (how many attempts are a warning).

To add an event: its level, if it is not info, in
`events._LEVELS`; its fields are logged as they are.
"""
