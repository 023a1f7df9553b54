"""Schema backfill: jobs, checkpoints, locks, decisions, rejected rows. Only the holder of a job's lock writes its rows.

`migrations` brings the schema up to date, `checkpoint` moves a position by compare and swap, `locks` takes and names
advisory locks, `status` and `decisions` read for people. What is read here is data: it may have been changed by hand.

Imports `statements` and `session`. To change the schema: the next numbered file in `sql/state/migrations/`. To add a
column of the checkpoint: `checkpoint_columns`.
"""
