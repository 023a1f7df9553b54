-- Functions that the expression's words may name and that give another value each time (random, clock_timestamp).
SELECT DISTINCT p.proname
FROM pg_proc p
WHERE p.provolatile = 'v'
  AND p.proname IN (
      SELECT lower(word[1]) FROM regexp_matches(%(expression)s, '([A-Za-z_][A-Za-z0-9_$]*)\s*\(', 'g') AS word
  )
ORDER BY 1
