-- The limits on connections of this session's role, its database and the server, and how many there are of each.
SELECT
    r.rolname::text AS role,
    d.datname::text AS database,
    r.rolsuper AS superuser,
    CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit END AS role_limit,
    count(*) FILTER (WHERE a.usesysid = r.oid)::int AS role_used,
    CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit END AS database_limit,
    count(*) FILTER (WHERE a.datid = d.oid)::int AS database_used,
    -- Slots that are reserved for others are not for this role.
    current_setting('max_connections')::int - CASE WHEN r.rolsuper THEN 0 ELSE
        current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int
    END AS server_limit,
    count(*)::int AS server_used
FROM pg_roles r
CROSS JOIN pg_database d
LEFT JOIN pg_stat_activity a ON a.backend_type = 'client backend'
WHERE r.rolname = session_user AND d.datname = current_database()
GROUP BY r.rolname, r.rolsuper, r.rolconnlimit, d.datname, d.datconnlimit
