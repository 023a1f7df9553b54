"""Settings of the database, the role and the DSN, of those that may change a value, a right or a plan."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.differential.case import Scope, Setting
from tests.differential.generation.chance import chance, some

VALUES: dict[str, tuple[str, ...]] = {
    "timezone": ("America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"),
    "datestyle": ("SQL, DMY", "German", "Postgres, MDY", "ISO, YMD"),
    "intervalstyle": ("iso_8601", "sql_standard", "postgres_verbose"),
    "extra_float_digits": ("-5", "0", "3"),
    "array_nulls": ("off",),
    "bytea_output": ("escape",),
    "standard_conforming_strings": ("off",),
    "backslash_quote": ("off", "on"),
    "transform_null_equals": ("on",),
    "quote_all_identifiers": ("on",),
    "search_path": ("app", "app, public", "app, pg_catalog", "public, app"),
    "row_security": ("off",),
    "session_replication_role": ("replica", "local"),
    "check_function_bodies": ("off",),
    "default_text_search_config": ("pg_catalog.english", "pg_catalog.simple"),
    "default_transaction_isolation": ("repeatable read", "serializable"),
    "default_transaction_read_only": ("on",),
    "default_transaction_deferrable": ("on",),
    "synchronous_commit": ("on", "remote_apply"),
    "lc_monetary": ("C", "POSIX"),
    "lc_numeric": ("C",),
    "lc_messages": ("C",),
    "client_min_messages": ("debug1", "error"),
    "enable_tidscan": ("off",),
    "enable_seqscan": ("off",),
    "enable_hashagg": ("off",),
    "enable_partition_pruning": ("off",),
    "constraint_exclusion": ("off", "on"),
    "plan_cache_mode": ("force_generic_plan",),
    "jit_above_cost": ("0",),
    "gin_fuzzy_search_limit": ("1",),
    "default_toast_compression": ("pglz",),
    "idle_session_timeout": ("5s",),
    "escape_string_warning": ("off",),
    "lock_timeout": ("5s",),
    "statement_timeout": ("8s",),
    "client_encoding": ("LATIN1", "SQL_ASCII"),
    "xmlbinary": ("hex",),
    "password_encryption": ("md5",),
    "work_mem": ("64kB",),
}
SUPERUSERS = ("session_replication_role", "lc_messages")
"""A DSN of an ordinary role may not have these; a superuser may set them for it."""


SELDOM = ("default_transaction_read_only", "row_security", "session_replication_role", "client_encoding")
"""Cases with these end early, or leave out what others would show."""
OFTEN = ("timezone", "datestyle", "intervalstyle", "extra_float_digits", "array_nulls", "search_path")
"""What most expressions depend on."""


@st.composite
def settings(draw: st.DrawFn, certain: tuple[str, ...] = ()) -> tuple[Setting, ...]:
    """Draw a few settings, each from one place; one of those that are certain to be there, if any."""
    names = dict.fromkeys([draw(st.sampled_from(certain))] if certain else [])
    names |= dict.fromkeys(draw(some(OFTEN, 2)))
    names |= dict.fromkeys(draw(some([name for name in VALUES if name not in SELDOM], 3)))
    if draw(chance(10)):
        names[draw(st.sampled_from(SELDOM))] = None
    found: list[Setting] = []
    for name in names:
        scopes: tuple[Scope, ...] = (
            ("database", "role") if name in SUPERUSERS else ("database", "role", "role in database", "dsn")
        )
        found.append(Setting(draw(st.sampled_from(scopes)), name, draw(st.sampled_from(VALUES[name]))))
    return tuple(found)
