"""The table as row addresses: where a lane stands, what a window is, which rows come next. Pure: values in, values out.

`checkpoint` is a lane's position, `stripe_plan` and `window_layout` decide how a window is gone through, `row_counts`
and `sparse_rows` cut the next batch, `bisection` finds a row that the server rejects, `leaves` and `progress` sum up
what is done, `plain_update` knows where batches could differ from one UPDATE.

Imports `throttle`, `retry`, `jobfile` and `values`. To add a decision about rows: a frozen value and a function here,
its property test in `tests/unit/table`, and the call in `engine/lane.py` or in what it calls.
"""
