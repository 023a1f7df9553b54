-- Whoever owns something in this schema, or has put code into it, could run that code with our rights: then nothing is done.
DO $refuse$
DECLARE
    finding text;
BEGIN
    SELECT f.finding INTO finding
    FROM (
{owners}
        UNION ALL
{code}
    ) AS f
    LIMIT 1;
    IF finding IS NOT NULL THEN
        RAISE EXCEPTION '%', finding USING ERRCODE = 'BF001';
    END IF;
END
$refuse$;
