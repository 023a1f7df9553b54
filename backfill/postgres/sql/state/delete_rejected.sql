-- A job, or one leaf of it, starts over: its rejected rows are tried again.
DELETE FROM backfill.rejected WHERE job = %(job)s AND (%(leaf)s::text IS NULL OR leaf = %(leaf)s)
