"""What our WAL can hurt, as read from the server, its standbys and Prometheus.

`read_signals` reads the primary, `pollers` and `side_connection` ask standbys and probes on connections of their own.
Unknown is None, and None never means "fine".

Imports `catalog`, `state`, `statements` and `session`. To add a signal, see `throttle/conditions`: its SQL is a file in
`sql/monitor/`, which `read_signals` runs if the condition names it.
"""
