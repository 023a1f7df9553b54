-- Whether row security hides rows of a table from this role; no row when there is no such table.
SELECT row_security_active(c.oid) FROM pg_class c WHERE c.oid = %(table_oid)s
