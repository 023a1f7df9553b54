"""The Prometheus sink: `table` lists all metrics, `counters` adds events up, `gauge_values` reads the state of a job.

Imports prometheus_client.

To add a metric: a row in `table.METRICS`, and a line in `counters` or `gauge_values`.
Signals need no line: those in `table.SIGNALS` are shown under a name of their own, all others as `signal_value`.
"""
