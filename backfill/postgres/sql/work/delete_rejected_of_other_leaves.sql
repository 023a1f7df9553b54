-- Forgets rejected rows of tables that no longer belong to the job's table.
DELETE FROM backfill.rejected WHERE job = %(job)s AND leaf <> ALL (%(leaves)s)
