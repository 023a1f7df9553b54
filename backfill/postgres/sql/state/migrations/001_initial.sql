-- The tables as they were before migrations had numbers; a schema of that time or before is completed.
CREATE TABLE IF NOT EXISTS backfill.job (
    name             text PRIMARY KEY,
    spec             jsonb NOT NULL,
    limits           jsonb NOT NULL DEFAULT '{}',
    tuned            jsonb NOT NULL DEFAULT '{}',
    leaves           integer NOT NULL DEFAULT 1,
    pages            bigint NOT NULL DEFAULT 0,
    state            text NOT NULL CHECK (state IN ('running', 'done', 'unconverged', 'stopped', 'halted', 'failed')),
    reason           text,
    rows_unconverged bigint NOT NULL DEFAULT 0,
    samples          text[] NOT NULL DEFAULT '{}',
    replicas_seen    text[] NOT NULL DEFAULT '{}',
    timeline         integer,
    worker           text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz
);
ALTER TABLE backfill.job
    ADD COLUMN IF NOT EXISTS limits jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS tuned jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS leaves integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS pages bigint NOT NULL DEFAULT 0;
COMMENT ON TABLE backfill.job IS 'one row a job: what it is, how it stands, and what it waits for';

-- A checkpoint of an older version knows no leaves and lanes: its job starts again at page 0, and meets its filled rows
-- as filled.
DO $$ BEGIN
    IF to_regclass('backfill.scan') IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('backfill.scan') AND attname = 'leaf' AND NOT attisdropped
    ) THEN
        DROP TABLE backfill.scan;
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS backfill.scan (
    job                 text NOT NULL REFERENCES backfill.job ON DELETE CASCADE,
    leaf                text NOT NULL,
    lane                smallint NOT NULL,
    lanes               smallint NOT NULL,
    table_oid           oid NOT NULL,
    filenode            oid NOT NULL,
    system_identifier   bigint NOT NULL,
    epoch               bigint NOT NULL,
    sequence            bigint NOT NULL,
    pass_number         integer NOT NULL,
    end_page            bigint NOT NULL,
    window_start        bigint NOT NULL,
    window_end          bigint NOT NULL,
    sizes               smallint[] NOT NULL,
    window_pages        integer NOT NULL,
    layout              text NOT NULL,
    stripe              smallint NOT NULL,
    next_tid            tid NOT NULL,
    rows_pass           bigint NOT NULL,
    rows_converged_pass bigint NOT NULL,
    rows_total          bigint NOT NULL,
    rows_unconverged    bigint NOT NULL,
    wal_bytes           bigint NOT NULL,
    proof               jsonb,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, leaf, lane)
) WITH (fillfactor = 50);
ALTER TABLE backfill.scan
    ADD COLUMN IF NOT EXISTS proof jsonb;
COMMENT ON TABLE backfill.scan IS 'the checkpoint, a row for each leaf table and lane: written in the transaction of each batch, compare-and-swap on epoch and sequence; proof is how a leaf ended that is done';

CREATE TABLE IF NOT EXISTS backfill.batch (
    job              text NOT NULL REFERENCES backfill.job ON DELETE CASCADE,
    ring             smallint NOT NULL,
    leaf             text NOT NULL DEFAULT '',
    sequence         bigint NOT NULL,
    lane             smallint NOT NULL DEFAULT 0,
    at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    pass_number      integer NOT NULL,
    stripe           smallint NOT NULL,
    first_tid        tid NOT NULL,
    end_tid          tid NOT NULL,
    rows_wished      integer NOT NULL,
    rows             integer NOT NULL,
    rows_unconverged integer NOT NULL,
    rows_hot         integer NOT NULL,
    wal_bytes        bigint NOT NULL,
    waited_s         real NOT NULL,
    waited_for       text,
    limited_by       text,
    blocked_sessions integer,
    inputs           jsonb,
    PRIMARY KEY (job, ring)
) WITH (fillfactor = 70);
ALTER TABLE backfill.batch
    ADD COLUMN IF NOT EXISTS leaf text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS lane smallint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS limited_by text,
    ADD COLUMN IF NOT EXISTS blocked_sessions integer,
    ADD COLUMN IF NOT EXISTS inputs jsonb;
COMMENT ON TABLE backfill.batch IS 'the last batches of each job, in a ring: what was decided, why, and what it cost';

CREATE TABLE IF NOT EXISTS backfill.event (
    job  text NOT NULL REFERENCES backfill.job ON DELETE CASCADE,
    ring smallint NOT NULL,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (job, ring)
) WITH (fillfactor = 70);
COMMENT ON TABLE backfill.event IS 'the last events of each job, in a ring: state changes, faults and waits with their reasons';

CREATE TABLE IF NOT EXISTS backfill.rejected (
    job         text NOT NULL REFERENCES backfill.job ON DELETE CASCADE,
    leaf        text NOT NULL,
    key         text NOT NULL,
    key_hash    bigint GENERATED ALWAYS AS (hashtextextended(key, 0)) STORED,
    tid         tid NOT NULL,
    pass_number integer NOT NULL,
    sqlstate    text NOT NULL,
    message     text NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job, leaf, key_hash)
);
COMMENT ON TABLE backfill.rejected IS 'rows that the server refuses and the job has set aside (on_row_error: skip): by their key, or by their address where the table has none; they still match where';
