"""Every setting that changes what an expression means, how a text looks or what a session sees, and our way with it.

A job's expressions, the triggers that its UPDATE fires and the deferred ones that fire at COMMIT run under the role's
own settings: those of a plain connection with the same DSN. Whatever is ours alone, such as a read of the catalog or a
text that we parse, depends on none of them and runs under `OURS`.
"""

from __future__ import annotations

from collections.abc import Mapping

OURS: Mapping[str, str] = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "array_nulls": "on",
    "bytea_output": "hex",
    "default_table_access_method": "heap",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "quote_all_identifiers": "off",
    "row_security": "off",
    "search_path": "pg_catalog, pg_temp",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "xmlbinary": "base64",
    "xmloption": "content",
}
"""Settings that our statements need as they are here. The role's own values are in force inside its statements.

`pg_temp` is named last, else temporary tables would come first. With `row_security` off, rows that a policy would hide
from us are an error.
"""

EXPRESSION_SETTINGS = (
    "DateStyle", "IntervalStyle", "TimeZone", "array_nulls", "backslash_quote", "bytea_output",
    "default_text_search_config", "extra_float_digits", "lc_monetary", "lc_numeric", "lc_time", "quote_all_identifiers",
    "standard_conforming_strings", "timezone_abbreviations", "transform_null_equals", "xmlbinary", "xmloption",
)  # fmt: skip
"""Settings that change what an expression means: a function that stands for the job's UPDATE has the role's."""

_PLANNER = (
    "async_append bitmapscan distinct_reordering gathermerge group_by_reordering hashagg hashjoin incremental_sort"
    " indexonlyscan indexscan material memoize mergejoin nestloop parallel_append parallel_hash partition_pruning"
    " presorted_aggregate self_join_elimination seqscan sort tidscan"
)

SESSION: Mapping[str, str] = {
    "default_transaction_isolation": "read committed",
    "exit_on_error": "off",
    "idle_session_timeout": "0",
    "plan_cache_mode": "force_custom_plan",
    **{f"enable_{method}": "on" for method in _PLANNER.split()},
}
"""Settings that hold in the whole session, inside the role's statements too: none of them changes the rows that an
UPDATE leaves, and each could end our session or make every batch read the whole table.

Custom plans: a generic one takes a few pages for a fixed share of the table, and then reads all of a second table that
`where` or `set` looks into, for each batch.
"""

BOUNDS = frozenset({
    "client_connection_check_interval", "client_min_messages", "idle_in_transaction_session_timeout", "lock_timeout",
    "statement_timeout", "synchronous_commit", "tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval",
    "tcp_user_timeout", "transaction_timeout",
})  # fmt: skip
"""Settings that bound a wait: they come from the job's limits, and from how long the server keeps our locks at most."""

PLAN_TEXTS = frozenset({"quote_all_identifiers"})
"""Settings that change how a plan's texts look, which we search for names."""

ROLES = frozenset({
    # They change what the role's statements do, not what ours do.
    "backslash_quote", "check_function_bodies", "createrole_self_grant", "default_text_search_config",
    "default_toast_compression", "default_transaction_deferrable", "escape_string_warning", "event_triggers",
    "icu_validation_level", "lo_compat_privileges", "restrict_nonsystem_relation_kind", "session_replication_role",
    "timezone_abbreviations",
    # A read-only default is the DBA's word; the session is refused.
    "default_transaction_read_only",
    # Of one transaction; each begins with the defaults above.
    "transaction_deferrable", "transaction_isolation", "transaction_read_only",
    # Fixed by the protocol: each of our sessions asks for UTF-8.
    "client_encoding",
    # The language of messages: we read their fields, not their words.
    "lc_messages",
    # Where files go and how much is kept in memory.
    "default_tablespace", "file_copy_method", "gin_pending_list_limit", "temp_tablespaces",
    # The order of a sequential scan: all our reads sort or count.
    "synchronize_seqscans",
    # Off unless somebody wants them: they only add plans.
    "enable_partitionwise_aggregate", "enable_partitionwise_join",
    # Of VACUUM, listed among these categories up to 17.
    "vacuum_failsafe_age", "vacuum_freeze_min_age", "vacuum_freeze_table_age", "vacuum_multixact_failsafe_age",
    "vacuum_multixact_freeze_min_age", "vacuum_multixact_freeze_table_age",
})  # fmt: skip
"""Settings that stay as the role has them."""


def changed(before: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a role has at another value than these settings."""
    return {name: before[name] for name, value in settings.items() if before.get(name, value) != value}
