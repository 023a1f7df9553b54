-- Of the requests for a job, the last 1,000 are kept.
DELETE FROM backfill.request
WHERE job = %(job)s
  AND number <= (
      SELECT q.number FROM backfill.request q WHERE q.job = %(job)s ORDER BY q.number DESC OFFSET 1000 LIMIT 1
  )
