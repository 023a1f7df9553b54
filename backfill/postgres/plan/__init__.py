"""What `backfill plan` finds out: the expressions checked, a batch run and rolled back, layouts and costs sampled.

Nothing is written that is not rolled back, and schema backfill is not made. Imports the rest of `postgres`.

To add a finding: a function that yields sentences from what was read, and its place in `make`.
"""
