-- Functions that the expression's words may name and whose own text names the table, so that they may read its rows.
SELECT DISTINCT p.proname
FROM pg_proc p
WHERE p.provolatile <> 'i'
  AND p.proname IN (
      SELECT lower(word[1]) FROM regexp_matches(%(expression)s, '([A-Za-z_][A-Za-z0-9_$]*)\s*\(', 'g') AS word
  )
  AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND concat(p.prosrc, ' ', pg_get_function_sqlbody(p.oid)) ~* concat(
      '\m', regexp_replace(%(table)s, '\W', '\\\&', 'g'), '\M'
  )
ORDER BY 1
