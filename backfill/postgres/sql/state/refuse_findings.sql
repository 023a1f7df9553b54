-- If there is a finding, nothing of this transaction is done.
DO $refuse$
DECLARE
    finding text;
BEGIN
    SELECT f.finding INTO finding
    FROM (
{findings}
    ) AS f
    LIMIT 1;
    IF finding IS NOT NULL THEN
        RAISE EXCEPTION '%', finding USING ERRCODE = 'BF001';
    END IF;
END
$refuse$;
