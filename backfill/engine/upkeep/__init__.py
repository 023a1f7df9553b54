"""Upkeep alongside the batches: vacuums of the table, compression of full-page images.

`maintenance` is what a run sees; each kind of upkeep is one module that keeps its memory, asks the pure law in
`backfill.upkeep` and records events. To add one: its law there, its module here, a line in each method of
`Maintenance`. Imports ports, events and pure packages; the loop does not know what is in here.
"""
