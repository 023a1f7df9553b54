-- A job, or one leaf of it, begins anew: its rows that are set aside are met again.
DELETE FROM backfill.rejected WHERE job = %(job)s AND (%(leaf)s::text IS NULL OR leaf = %(leaf)s)
