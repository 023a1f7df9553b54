-- The names of the jobs, or the one that is asked for: when their rows cannot be read together.
SELECT name FROM backfill.job WHERE %(job)s::text IS NULL OR name = %(job)s ORDER BY name
