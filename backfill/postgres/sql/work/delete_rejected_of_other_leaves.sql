-- Rows of tables that belong to the job's table no more are nobody's to fill.
DELETE FROM backfill.rejected WHERE job = %(job)s AND leaf <> ALL (%(leaves)s)
