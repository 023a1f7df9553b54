-- A step of finish begins or is done: `what` is what it makes, so that a later run knows its own work.
UPDATE backfill.job
SET finish = finish || jsonb_build_object(%(step)s::text, jsonb_build_object(
        'what', %(what)s::text,
        'began_at', CASE WHEN finish -> %(step)s ->> 'what' = %(what)s AND %(done)s
            THEN finish -> %(step)s -> 'began_at' ELSE to_jsonb(clock_timestamp()) END,
        'done_at', CASE WHEN %(done)s THEN to_jsonb(clock_timestamp()) END,
        'role', current_user::text
    )),
    updated_at = now()
WHERE name = %(job)s
