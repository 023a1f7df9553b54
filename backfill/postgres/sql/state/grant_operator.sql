-- The least rights of somebody who looks at jobs, pauses, resumes, cancels, tunes and forgets them, and runs none.
GRANT USAGE ON SCHEMA backfill TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA backfill TO {role};
GRANT INSERT (job, action, until, reason, client, limits) ON backfill.request TO {role};
GRANT UPDATE (tuned, tuned_until), DELETE ON backfill.job TO {role};
