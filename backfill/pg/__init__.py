"""Everything that speaks to PostgreSQL: the only package that knows psycopg."""
