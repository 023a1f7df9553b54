-- Who keeps a batch waiting, the likeliest first: the transaction that has locked a row (`xid`), one whose lock on a table
-- of the batch an UPDATE waits for, or whoever has locked rows of the job's table. A prepared transaction has no session.
WITH held AS (
    SELECT DISTINCT ON (l.pid, l.virtualtransaction)
        l.pid,
        l.virtualtransaction,
        l.relation,
        CASE
            WHEN l.locktype = 'transactionid' THEN 'row'
            WHEN l.mode IN ('RowShareLock', 'RowExclusiveLock') THEN 'rows'
            ELSE 'table'
        END AS what
    FROM pg_locks l
    LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() AND (
        l.locktype = 'transactionid' AND l.transactionid = %(xid)s::xid
        OR l.locktype = 'relation' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
            AND (
                (l.relation = ANY (%(tables)s::oid[]) OR c.relnamespace = to_regnamespace('backfill'))
                    AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                OR %(row)s AND l.relation = ANY (%(tables)s::oid[]) AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
            )
    )
    ORDER BY l.pid, l.virtualtransaction, l.locktype = 'transactionid' DESC, l.mode LIKE 'Row%%'
)
SELECT
    held.what,
    held.relation::regclass::text AS relation,
    held.pid,
    p.gid,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename, p.owner, 'unknown') AS role,
    a.state,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS age_s
FROM held
LEFT JOIN pg_stat_activity a ON a.pid = held.pid
LEFT JOIN pg_locks own ON held.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
    AND own.virtualtransaction = held.virtualtransaction
LEFT JOIN pg_prepared_xacts p ON p.transaction = own.transactionid
WHERE (held.pid IS NOT NULL OR p.gid IS NOT NULL)
  AND a.application_name IS DISTINCT FROM current_setting('application_name')  -- our other lanes
ORDER BY held.what = 'row' DESC, held.what = 'table' DESC, age_s DESC NULLS LAST
LIMIT 20
