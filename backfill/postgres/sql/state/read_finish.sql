-- How a job stands for finish: what it was started with, its state, and which steps are done.
SELECT spec, state, finish FROM backfill.job WHERE name = %(job)s
