"""When our own work on the table needs help: vacuum it, compress full-page images. Pure decisions over frozen values.

`vacuum.choose` starts or stops a VACUUM: `vacuum_history` is what it remembers, `vacuum_cost` what a vacuum is worth
and may spend, `throttle_view` what it sees of the throttle, `vacuum_choice` its answers. `compression` weighs WAL
against time after each batch. `engine/upkeep` acts on both.

Imports `throttle`, `jobfile` and `values`. Time is an argument. To add a kind of upkeep: a module that decides from its
history and from the signals, and a module in `engine/upkeep` that acts.
"""
