-- How many sessions of each role run a statement now, in all databases, ours aside; unknown if the server does not say.
SELECT
    wanted.role AS subject,
    CASE WHEN why.why = '' THEN seen.active END AS value,
    why.why
FROM unnest(%(roles)s::text[]) AS wanted (role)
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE a.state = 'active')::float8 AS active,
        -- A session with track_activities = off does not show its state.
        coalesce(bool_or(a.state = 'disabled'), false) AS hidden
    FROM pg_stat_activity a
    WHERE a.usename = wanted.role
      AND a.backend_type = 'client backend'
      AND a.application_name IS DISTINCT FROM current_setting('application_name')
) seen
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = wanted.role) THEN 'the role does not exist'
        WHEN seen.hidden THEN 'track_activities is off'
        ELSE ''
    END AS why
) why
ORDER BY wanted.role
