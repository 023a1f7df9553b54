-- How the server writes amounts of money: lc_monetary decides it.
SELECT 1234567.89::pg_catalog.numeric::pg_catalog.money::pg_catalog.text,
    (-1234.5)::pg_catalog.numeric::pg_catalog.money::pg_catalog.text
