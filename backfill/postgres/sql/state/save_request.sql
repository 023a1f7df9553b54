-- A person's request for a job. The server adds who and when: a role that may insert only the other columns cannot say
-- that it was somebody else.
INSERT INTO backfill.request (job, action, until, reason, client, limits)
VALUES (
    %(job)s, %(action)s, clock_timestamp() + make_interval(secs => %(for_s)s), %(reason)s, %(client)s, %(limits)s
)
