-- The timeline that a standby follows: that of its stream, else that of its last restart point.
SELECT coalesce(
    (SELECT received_tli FROM pg_stat_wal_receiver),
    (SELECT timeline_id FROM pg_control_checkpoint())
) AS timeline
