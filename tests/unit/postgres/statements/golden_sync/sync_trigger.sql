CREATE SEQUENCE IF NOT EXISTS "backfill"."sync_users-handle";

GRANT USAGE ON SEQUENCE "backfill"."sync_users-handle" TO PUBLIC;

CREATE OR REPLACE FUNCTION "backfill"."sync_users-handle"() RETURNS pg_catalog.trigger LANGUAGE plpgsql
SET search_path = "pg_catalog", "public", pg_temp SET standard_conforming_strings = 'on'
AS $backfill$
#variable_conflict use_column
DECLARE
    given CONSTANT record := NEW;
    filled record;
    theirs pg_catalog.text[];
    missed pg_catalog.bool := false;
BEGIN
    -- The job's own batches fill their rows themselves.
    IF pg_catalog.current_setting('backfill.sync_function', true) OPERATOR(pg_catalog.=) 'sync_users-handle' THEN
        RETURN NEW;
    END IF;
    BEGIN
        -- Whoever writes the row may have other settings than the job, and has them back below.
        theirs := ARRAY[
            pg_catalog.current_setting('DateStyle'),
            pg_catalog.current_setting('IntervalStyle'),
            pg_catalog.current_setting('TimeZone'),
            pg_catalog.current_setting('array_nulls'),
            pg_catalog.current_setting('backslash_quote'),
            pg_catalog.current_setting('bytea_output'),
            pg_catalog.current_setting('default_text_search_config'),
            pg_catalog.current_setting('extra_float_digits'),
            pg_catalog.current_setting('lc_monetary'),
            pg_catalog.current_setting('lc_numeric'),
            pg_catalog.current_setting('lc_time'),
            pg_catalog.current_setting('quote_all_identifiers'),
            pg_catalog.current_setting('timezone_abbreviations'),
            pg_catalog.current_setting('transform_null_equals'),
            pg_catalog.current_setting('xmlbinary'),
            pg_catalog.current_setting('xmloption')
        ];
        IF theirs OPERATOR(pg_catalog.<>) ARRAY['ISO, MDY', 'postgres', 'UTC', 'on', 'default', 'hex', 'default', '1', 'C', 'C', 'C', 'off', 'default', 'off', 'base64', 'content'] THEN
            PERFORM
                pg_catalog.set_config('DateStyle', 'ISO, MDY', true),
                pg_catalog.set_config('IntervalStyle', 'postgres', true),
                pg_catalog.set_config('TimeZone', 'UTC', true),
                pg_catalog.set_config('array_nulls', 'on', true),
                pg_catalog.set_config('backslash_quote', 'default', true),
                pg_catalog.set_config('bytea_output', 'hex', true),
                pg_catalog.set_config('default_text_search_config', 'default', true),
                pg_catalog.set_config('extra_float_digits', '1', true),
                pg_catalog.set_config('lc_monetary', 'C', true),
                pg_catalog.set_config('lc_numeric', 'C', true),
                pg_catalog.set_config('lc_time', 'C', true),
                pg_catalog.set_config('quote_all_identifiers', 'off', true),
                pg_catalog.set_config('timezone_abbreviations', 'default', true),
                pg_catalog.set_config('transform_null_equals', 'off', true),
                pg_catalog.set_config('xmlbinary', 'base64', true),
                pg_catalog.set_config('xmloption', 'content', true);
        ELSE
            theirs := NULL;
        END IF;
        SELECT (
username
) AS "value_0"
        INTO filled
        FROM (SELECT NEW.*) AS "users"
        WHERE (
handle IS NULL
);
        IF FOUND THEN
            NEW."handle" := filled."value_0";
            PERFORM FROM (SELECT NEW.*) AS "users" WHERE (
handle IS NULL
);
            missed := FOUND;
        END IF;
        IF theirs IS NOT NULL THEN
            PERFORM
                pg_catalog.set_config('DateStyle', theirs[1], true),
                pg_catalog.set_config('IntervalStyle', theirs[2], true),
                pg_catalog.set_config('TimeZone', theirs[3], true),
                pg_catalog.set_config('array_nulls', theirs[4], true),
                pg_catalog.set_config('backslash_quote', theirs[5], true),
                pg_catalog.set_config('bytea_output', theirs[6], true),
                pg_catalog.set_config('default_text_search_config', theirs[7], true),
                pg_catalog.set_config('extra_float_digits', theirs[8], true),
                pg_catalog.set_config('lc_monetary', theirs[9], true),
                pg_catalog.set_config('lc_numeric', theirs[10], true),
                pg_catalog.set_config('lc_time', theirs[11], true),
                pg_catalog.set_config('quote_all_identifiers', theirs[12], true),
                pg_catalog.set_config('timezone_abbreviations', theirs[13], true),
                pg_catalog.set_config('transform_null_equals', theirs[14], true),
                pg_catalog.set_config('xmlbinary', theirs[15], true),
                pg_catalog.set_config('xmloption', theirs[16], true);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        NEW := given;  -- whoever writes the row does not fail for our sake
        missed := true;
    END;
    IF missed THEN  -- the row still matches: the proof has to know that there was one
        BEGIN
            PERFORM pg_catalog.nextval('16400'::pg_catalog.regclass);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END IF;
    RETURN NEW;
END
$backfill$;

CREATE OR REPLACE TRIGGER "zzz_backfill_users-handle" BEFORE INSERT OR UPDATE ON "public"."users"
FOR EACH ROW WHEN (NEW.handle IS NULL) EXECUTE FUNCTION "backfill"."sync_users-handle"();

ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER "zzz_backfill_users-handle";

CREATE OR REPLACE FUNCTION "backfill"."sync_users-handle"() RETURNS pg_catalog.trigger LANGUAGE plpgsql
AS $backfill$
BEGIN
    RETURN NEW;
END
$backfill$;

DROP TRIGGER IF EXISTS "zzz_backfill_users-handle" ON "public"."users";

DROP FUNCTION IF EXISTS "backfill"."sync_users-handle"();

DROP SEQUENCE IF EXISTS "backfill"."sync_users-handle";

