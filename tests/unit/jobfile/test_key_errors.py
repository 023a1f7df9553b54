"""Wrong keys and values in a job file, and the exact words for each."""

from __future__ import annotations

import pytest

from tests.unit.jobfile.job_errors import errors_of, has_our_words_only

# A sound job of four lines, and what is added to it.
SOUND = "name: a\ntable: t\nset: {x: y}\nwhere: x IS NULL\n"
ADDED = [
    ("tabel: t", "5:1: unknown key 'tabel'; did you mean 'table'?"),
    ("max_lag: 5s", "5:1: unknown key 'max_lag'; did you mean 'throttle.max_lag'?"),
    ("rows: 5", "5:1: unknown key 'rows'; did you mean 'batch.rows'?"),
    (
        "zebra: 1",
        "5:1: unknown key 'zebra'; allowed are name, table, set, where, using, python, sync, batch, throttle, lock_timeout, statement_timeout, lanes, synchronous_commit, wal_compression, vacuum, on_row_error, max_rejected, accept, window, after, priority, finish",
    ),
    (
        "max_lag_s: 5",
        "5:1: unknown key 'max_lag_s'; allowed are name, table, set, where, using, python, sync, batch, throttle, lock_timeout, statement_timeout, lanes, synchronous_commit, wal_compression, vacuum, on_row_error, max_rejected, accept, window, after, priority, finish",
    ),
    ("batch: {row: 5}", "5:9: unknown key 'row'; did you mean 'rows'?"),
    ("batch: {columns: 5}", "5:9: unknown key 'columns'; did you mean 'finish.indexes.columns'?"),
    ("throttle: {max_lag_s: 5s}", "5:12: unknown key 'max_lag_s'; did you mean 'max_lag'?"),
    ("throttle: {replicas: {requires: [a]}}", "5:23: unknown key 'requires'; did you mean 'require'?"),
    ("windows: 22:00-06:00 Europe/Berlin", "5:1: unknown key 'windows'; did you mean 'window'?"),
    ("after: a", "5:8: 'after' is 'a'; write a list such as [users-username]"),
    ("after: [b, a]", "5:12: job 'a' cannot come after itself"),
    (
        "after: [B]",
        "5:9: not a job name: 'B'; allowed are up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
    ),
    ("priority: high", "5:11: 'priority' is 'high'; write a whole number such as 10"),
    ("priority: 1001", "5:11: 'priority' is '1001'; allowed are -1000 to 1000"),
    ("finish: {not_nul: [x]}", "5:10: unknown key 'not_nul'; did you mean 'not_null'?"),
    ("finish: [x]", "5:9: 'finish' is a list; write a mapping such as finish: {not_null: [handle]}"),
    (
        "using: u",
        "5:8: 'using' is 'u'; write a mapping such as using: {table: accounts, on: accounts.id = users.account_id}",
    ),
    (
        "using:",
        "5:7: 'using' is empty; write a mapping such as using: {table: accounts, on: accounts.id = users.account_id}",
    ),
    ("using: {on: z}", "5:8: missing key 'table'; write it as table: public.users"),
    ("using: {table: u}", "5:8: missing key 'on'; write it as on: accounts.id = users.account_id"),
    ("using: {table: u, as: v, on: z, kind: left}", "5:33: unknown key 'kind'; allowed are table, as, on"),
    (
        "using: {table: u.v.w, on: z}",
        "5:16: 'table' is not a table name: 'u.v.w'; write table or schema.table, in double quotes as in SQL",
    ),
    (
        "using: {table: u, as: v.w, on: z}",
        "5:23: 'as' is not a name for a table: 'v.w'; write one name, in double quotes as in SQL",
    ),
    ("using: {table: u, as: 1, on: z}", "5:23: 'as' is '1', a number; put it in quotes"),
    ("using: {table: u, on: a = b; DROP TABLE u}", "5:28: two statements in one expression; an expression has no ';'"),
    (
        "using: {table: u, on: [a]}",
        "5:23: 'on' is a list; write an SQL expression as one text, in quotes or in lines after '|'",
    ),
    (
        "using:\n  table: u\n  on: u.a #>> 'b'",
        "7:11: '#>>' begins a comment in YAML; quote the expression, or write it in lines after '|'",
    ),
    (
        "using: {table: t, on: z}",
        "5:16: 't' would name two tables; give the joined table an alias, such as as: other",
    ),
    (
        "using: {table: other.u, as: T, on: z}",
        "5:29: 't' would name two tables; give the joined table an alias, such as as: other",
    ),
    ("on: z", "5:1: unknown key 'on'; did you mean 'using.on'?"),
    (
        "python: m:f",
        "5:9: 'python' is 'm:f'; write a mapping such as python: {function: handles:make_handle, inputs: [username]}",
    ),
    ("python: {inputs: [x]}", "5:9: missing key 'function'; write it as function: handles:make_handle"),
    ("python: {function: m:f}", "5:9: missing key 'inputs'; write it as inputs: [username]"),
    (
        "python: {function: m:f, inputs: []}",
        "5:33: 'inputs' is an empty list; write a list such as [username]",
    ),
    ("python: {function: m:f, inputs: x}", "5:33: 'inputs' is 'x'; write a list such as [username]"),
    (
        "python: {function: m:f, inputs: [x, lower(y)]}",
        "5:37: item 2 of 'inputs' is not a column name: 'lower(y)'; write one name, in double quotes as in SQL",
    ),
    (
        "python: {function: m.f, inputs: [x]}",
        "5:20: not a function: 'm.f'; write module:function such as handles:make_handle",
    ),
    (
        "python: {function: m:f, inputs: [x]}",
        "3:6: no column of 'set' uses the function's value; write one as python, such as handle: python",
    ),
    ("function: m:f", "5:1: unknown key 'function'; did you mean 'python.function'?"),
    ("lanes: 17", "5:8: 'lanes' is '17'; allowed are 1 to 16"),
    ("vacuum: full", "5:9: 'vacuum' is 'full'; allowed are auto, off"),
    ("sync: always", "5:7: 'sync' is 'always'; allowed are none, trigger"),
    ("on_row_error: ignore", "5:15: 'on_row_error' is 'ignore'; allowed are fail, skip"),
    ("max_rejected: 0", "5:15: 'max_rejected' is '0'; allowed are 1 to 100000"),
    ("throttle: {max_blocked_sessions: -1}", "5:34: 'max_blocked_sessions' is '-1'; allowed are 0 to 10000"),
    (
        "throttle: {max_slot_lag: 5}",
        "5:26: 'max_slot_lag' is not a size: '5'; write a number and B, kB, MB, GB or TB, such as 256MB",
    ),
    ("throttle: {probes: a}", "5:20: 'probes' is 'a'; write a list such as [{name: active, sql: ..., max: 50}]"),
    (
        "throttle: {probes: [a]}",
        "5:21: item 1 of 'probes' is 'a'; write a mapping such as"  # noqa: ISC004 - one text
        " {name: active, sql: SELECT count(*) FROM pg_stat_activity, max: 50}",
    ),
    ("throttle: {probes: [{name: a, sql: '1'}]}", "5:21: missing key 'max'; write it as max: 50"),
    (
        "throttle: {probes: [{name: a, max: 1, sq: '1'}]}",
        "5:28: probe 'a' needs either 'sql', or 'prometheus' and 'query'\n5:39: unknown key 'sq'; did you mean 'sql'?",
    ),
    ("throttle: {probes: [{name: a, max: x, sql: '1'}]}", "5:36: 'max' is 'x'; write a number such as 0.8"),
    ("throttle: {probes: [{name: a, max: 1, sql: '1)'}]}", "5:46: ')' closes nothing"),
    (
        "throttle: {probes: [{name: a, max: 1}]}",
        "5:28: probe 'a' needs either 'sql', or 'prometheus' and 'query'",
    ),
    (
        "throttle: {probes: [{name: a, max: 1, prometheus: 'http://p:9090'}]}",
        "5:28: probe 'a' needs either 'sql', or 'prometheus' and 'query'",
    ),
    (
        "throttle: {probes: [{name: a, max: 1, sql: '1', query: up}]}",
        "5:28: probe 'a' needs either 'sql', or 'prometheus' and 'query'",
    ),
    (
        "throttle: {probes: [{name: a, max: 1, prometheus: p, query: up}]}",
        "5:51: not an address; write one such as http://prometheus:9090",
    ),
    (
        "throttle: {probes: [{name: a, max: 1, prometheus: 'http://u:secret@p:9090', query: up}]}",
        "5:52: an address with a user or a password, which would not be sent; write one such as http://prometheus:9090",
    ),
    (
        "throttle: {probes: [{name: a, max: 1, sql: '1'}, {name: a, max: 2, sql: '2'}]}",
        "5:57: probe 'a' is defined twice",
    ),
    ("throttle: {replicas: {direct: host=a}}", "5:31: 'direct' is a text; write a list such as [replica-a]"),
    ("where: z", "5:1: duplicate key 'where'; it is on line 4 already"),
    ("name: b", "5:1: duplicate key 'name'; it is on line 1 already"),
    ("batch:", "5:7: 'batch' is empty; write a mapping such as batch: {rows: 5000}"),
    ("batch: 5000", "5:8: 'batch' is '5000'; write a mapping such as batch: {rows: 5000}"),
    ("batch: [rows]", "5:8: 'batch' is a list; write a mapping such as batch: {rows: 5000}"),
    ("throttle: fast", "5:11: 'throttle' is 'fast'; write a mapping such as throttle: {max_lag: 10s}"),
    ("throttle: {replicas: 2}", "5:22: 'replicas' is '2'; write a mapping such as replicas: {min: 1}"),
    ("throttle: {replicas: [a, b]}", "5:22: 'replicas' is a list; write a mapping such as replicas: {min: 1}"),
    ("batch: {rows: '5000'}", "5:15: 'rows' is '5000', a text; write a whole number such as 5000"),
    ("batch: {rows: 5e3}", "5:15: 'rows' is '5e3', a number; write a whole number such as 5000"),
    ("batch: {rows: 5000.0}", "5:15: 'rows' is '5000.0', a number; write a whole number such as 5000"),
    ("batch: {rows: true}", "5:15: 'rows' is 'true', a truth value; write a whole number such as 5000"),
    ("batch: {rows: 5_000}", "5:15: 'rows' is '5_000'; write a whole number such as 5000"),
    ("batch: {rows: 0500}", "5:15: 'rows' is '0500', a number; write a whole number such as 5000"),
    ("batch: {rows: ~}", "5:15: 'rows' is '~', nothing; write a whole number such as 5000"),
    ("batch: {rows: many}", "5:15: 'rows' is 'many'; write a whole number such as 5000"),
    ("batch: {rows: [1]}", "5:15: 'rows' is a list; write a whole number such as 5000"),
    ("batch: {rows: 0}", "5:15: 'rows' is '0'; allowed are 1 to 1000000"),
    ("batch: {rows: -5}", "5:15: 'rows' is '-5'; allowed are 1 to 1000000"),
    ("batch: {rows: 1000001}", "5:15: 'rows' is '1000001'; allowed are 1 to 1000000"),
    ("batch: {rows: 99999999999999999999}", "5:15: 'rows' is '99999999999999999999'; allowed are 1 to 1000000"),
    ("batch: {min_rows: 0}", "5:19: 'min_rows' is '0'; allowed are 1 to 1000000"),
    ("batch: {max_rows: 2000000}", "5:19: 'max_rows' is '2000000'; allowed are 1 to 1000000"),
    ("batch: {rows: 5000, max_rows: 2000}", "5:15: 'rows' 5000 is above 'max_rows' 2000"),
    ("batch: {rows: 500, min_rows: 1000}", "5:30: 'min_rows' 1000 is above 'rows' 500"),
    ("batch: {min_rows: 5000, max_rows: 2000}", "5:19: 'min_rows' 5000 is above 'max_rows' 2000"),
    ("batch: {rows: 100, min_rows: 200, max_rows: 50}", "5:30: 'min_rows' 200 is above 'max_rows' 50"),
    (
        "batch: {target_time: 250}",
        "5:22: 'target_time' is not a duration: '250'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        "batch: {target_time: 250 ms}",
        "5:22: 'target_time' is not a duration: '250 ms'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    ("batch: {target_time: 5ms}", "5:22: 'target_time' is '5ms'; allowed are 10ms to 1m"),
    ("batch: {target_time: 61s}", "5:22: 'target_time' is '61s'; allowed are 10ms to 1m"),
    ("batch: {target_time: 20s}", "5:22: 'statement_timeout' 15s (the default) is not above 'batch.target_time' 20s"),
    (
        "batch: {target_time: ''}",
        "5:22: 'target_time' is not a duration: ''; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    ("batch: {stripes: 13}", "5:18: 'stripes' is '13'; allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
    ("batch: {stripes: 128}", "5:18: 'stripes' is '128'; allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
    ("batch: {stripes: '8'}", "5:18: 'stripes' is '8'; allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
    ("batch: {stripes: 0}", "5:18: 'stripes' is '0'; allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"),
    (
        "throttle: {max_lag: 10}",
        "5:21: 'max_lag' is not a duration: '10'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        "throttle: {max_lag: 10 seconds}",
        "5:21: 'max_lag' is not a duration: '10 seconds'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        "throttle: {max_lag: -1s}",
        "5:21: 'max_lag' is not a duration: '-1s'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    ("throttle: {max_lag: 0s}", "5:21: 'max_lag' is '0s'; allowed are 100ms to 1d"),
    ("throttle: {max_lag: 2d}", "5:21: 'max_lag' is '2d'; allowed are 100ms to 1d"),
    (
        "throttle: {max_lag: 30s1m}",
        "5:21: 'max_lag' is not a duration: '30s1m'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    ("throttle: {max_lag: [10s]}", "5:21: 'max_lag' is a list; write a text such as 100ms"),
    (
        "throttle: {max_lag: 1e3s}",
        "5:21: 'max_lag' is not a duration: '1e3s'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        "throttle: {max_lag_bytes: 256}",
        "5:27: 'max_lag_bytes' is not a size: '256'; write a number and B, kB, MB, GB or TB, such as 256MB",
    ),
    (
        "throttle: {max_lag_bytes: 256mb}",
        "5:27: 'max_lag_bytes' is not a size: '256mb'; write a number and B, kB, MB, GB or TB, such as 256MB",
    ),
    (
        "throttle: {max_lag_bytes: 256MiB}",
        "5:27: 'max_lag_bytes' is not a size: '256MiB'; write a number and B, kB, MB, GB or TB, such as 256MB",
    ),
    ("throttle: {max_lag_bytes: 512kB}", "5:27: 'max_lag_bytes' is '512kB'; allowed are 1MB to 1024TB"),
    ("throttle: {max_lag_bytes: 1025TB}", "5:27: 'max_lag_bytes' is '1025TB'; allowed are 1MB to 1024TB"),
    (
        "throttle: {max_wal_rate: 32MB}",
        "5:26: 'max_wal_rate' is not a rate: '32MB'; write a size and /s, such as 32MB/s",
    ),
    ("throttle: {max_wal_rate: 32}", "5:26: 'max_wal_rate' is not a rate: '32'; write a size and /s, such as 32MB/s"),
    ("throttle: {max_wal_rate: 15kB/s}", "5:26: 'max_wal_rate' is '15kB/s'; allowed are 16kB/s to 1TB/s"),
    (
        "throttle: {max_wal_rate: 32MB/m}",
        "5:26: 'max_wal_rate' is not a rate: '32MB/m'; write a size and /s, such as 32MB/s",
    ),
    (
        "throttle: {max_slot_retained: 10}",
        "5:31: 'max_slot_retained' is not a size: '10'; write a number and B, kB, MB, GB or TB, such as 256MB",
    ),
    ("throttle: {max_archive_backlog: 1kB}", "5:33: 'max_archive_backlog' is '1kB'; allowed are 1MB to 1024TB"),
    ("throttle: {replicas: {require: replica-a}}", "5:32: 'require' is 'replica-a'; write a list such as [replica-a]"),
    ("throttle: {replicas: {require: [1]}}", "5:33: item 1 of 'require' is '1', a number; put it in quotes"),
    ("throttle: {replicas: {ignore: ['']}}", "5:32: not a standby's name: ''; allowed are 1 to 63 bytes"),
    ("throttle: {replicas: {ignore: [null]}}", "5:32: item 1 of 'ignore' is 'null', nothing; write a text"),
    ("throttle: {replicas: {min: -1}}", "5:28: 'min' is '-1'; allowed are 0 to 1000"),
    ("throttle: {replicas: {require: [a, dr-1], ignore: ['dr-*']}}", "5:36: 'dr-1' is required, but ignored by 'dr-*'"),
    (
        "lock_timeout: 1",
        "5:15: 'lock_timeout' is not a duration: '1'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    ("lock_timeout: 5ms", "5:15: 'lock_timeout' is '5ms'; allowed are 10ms to 1m"),
    ("lock_timeout: 2m", "5:15: 'lock_timeout' is '2m'; allowed are 10ms to 1m"),
    ("lock_timeout: 15s", "5:15: 'statement_timeout' 15s (the default) is not above 'lock_timeout' 15s"),
    ("statement_timeout: 500ms", "5:20: 'statement_timeout' is '500ms'; allowed are 1s to 1h"),
    ("statement_timeout: 2h", "5:20: 'statement_timeout' is '2h'; allowed are 1s to 1h"),
    ("statement_timeout: 1s", "5:20: 'statement_timeout' 1s is not above 'lock_timeout' 1s (the default)"),
    (
        "synchronous_commit: of",
        "5:21: 'synchronous_commit' is 'of'; allowed are off, local, remote_write, on, remote_apply",
    ),
    (
        "synchronous_commit: true",
        "5:21: 'synchronous_commit' is 'true'; allowed are off, local, remote_write, on, remote_apply",
    ),
    (
        "synchronous_commit: ''",
        "5:21: 'synchronous_commit' is ''; allowed are off, local, remote_write, on, remote_apply",
    ),
    ("lock_timeout: *a", "5:15: an alias '*a'; write the value itself"),
    ("lock_timeout: &a 1s", "5:15: an anchor '&a'; remove it"),
    ("lock_timeout: !!str 1s", "5:15: a tag '!!str'; remove it"),
    ("lock_timeout: ! 1s", "5:15: a tag '!'; remove it"),
    (
        "lock_timeout: !!python/object/apply:os.system [id]",
        "5:15: a tag '!!python/object/apply:os.system'; remove it\n5:15: 'lock_timeout' is a list; write a text such as 10ms",
    ),
    ("<<: {a: b}", "5:1: a merge key '<<'; write the keys themselves"),
    ("? [a, b]\n: c", "5:3: a key is a mapping or a list; write a name"),
    ("---\nname: b", "5:1: a second document; a job file has one"),
    ("\tlock_timeout: 1s", "5:1: not YAML: a tab; YAML indents and separates with spaces"),
    ("lock_timeout:\t1s", "5:14: not YAML: a tab; YAML indents and separates with spaces"),
    ("lock_timeout: \t1s", "5:15: not YAML: a tab; YAML indents and separates with spaces"),
    ("batch: {rows: {rows: {rows: {rows: {rows: {rows: {rows: {rows: 5}}}}}}}}", "5:57: nested deeper than 8 levels"),
    ("lock_timeout 1s", "5:1: not YAML: a line without ':'; write key: value"),
    (
        " lock_timeout: 1s",
        "5:14: not YAML: a second ':' in one value, or wrong indentation; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "lock_timeout: 1s: 2s",
        "5:17: not YAML: a second ':' in one value, or wrong indentation; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "lock_timeout: @1s",
        "5:15: not YAML: '@' cannot begin a value; quote the value as a whole, or write it in lines after '|'",
    ),
    ("lock_timeout: 'a", "5:15: not YAML: a quote that is never closed"),
    (
        'lock_timeout: "\\q"',
        "5:17: not YAML: no escape '\\q' in double quotes; quote the value as a whole, or write it in lines after '|'",
    ),
    ('lock_timeout: "\\U11111111"', "5:16: not YAML: a number out of range"),
    ('lock_timeout: "\\x4"', "5:18: not YAML: an escape that is too short, in double quotes"),
    ("batch: {rows: 5", "5:8: not YAML: '}' is missing at the end of this"),
    (
        "batch: {rows: 5]",
        "5:16: not YAML: expected ',' or '}'; quote the value as a whole, or write it in lines after '|'",
    ),
    ("batch: [1", "5:8: not YAML: ']' is missing at the end of this"),
    (
        "lock_timeout: > 5",
        "5:15: not YAML: '|' and '>' begin lines of text; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "lock_timeout: - 5",
        "5:15: not YAML: '-' and a blank cannot begin a value; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "lock_timeout: ? 5",
        "5:15: not YAML: '?' cannot begin a value; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "lock_timeout: *",
        "5:15: not YAML: '*' and '&' cannot begin a value; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "lock_timeout: !a!b",
        "5:15: not YAML: '!' cannot begin a value; quote the value as a whole, or write it in lines after '|'",
    ),
    ("%TAG", "5:1: not YAML: a line that begins with '%'; remove it"),
    (
        "lock_timeout: }",
        "5:15: not YAML: '}' cannot begin a value; quote the value as a whole, or write it in lines after '|'",
    ),
    ("a\x07b: 1", "5:2: character U+0007 is not allowed in a job file"),
    (
        "lock_timeout: '1s' + '2s'",
        "5:20: not YAML: the value ends before this; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        '"\\ud800": 1',
        "5:1: unknown key '\\ud800'; allowed are name, table, set, where, using, python, sync, batch, throttle, lock_timeout, statement_timeout, lanes, synchronous_commit, wal_compression, vacuum, on_row_error, max_rejected, accept, window, after, priority, finish",
    ),
    ("- a", "5:1: not YAML: a list item where a key belongs"),
    (
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 1",
        "5:1: unknown key 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'; allowed are name, table, set, where, using, python, sync, batch, throttle, lock_timeout, statement_timeout, lanes, synchronous_commit, wal_compression, vacuum, on_row_error, max_rejected, accept, window, after, priority, finish",
    ),
    ("batch: {rows: 5000, rows: 6000}", "5:21: duplicate key 'rows'; it is on line 5 already"),
    ("throttle: {replicas: {min: 1, min: 2}}", "5:31: duplicate key 'min'; it is on line 5 already"),
    ("lock_timeout: 1s\nlock_timeout: 1s", "6:1: duplicate key 'lock_timeout'; it is on line 5 already"),
    (
        "batch: {rows: 99999999999999999999999999999999999999999999999999}",
        "5:15: 'rows' is '99999999999999999999999999999999999999999999999999', a number; write a whole number such as 5000",
    ),
    (
        "window: {a: b}\nzebra: 1\nlock_timeout: 1",
        "5:9: 'window' is a mapping; write a window such as mon-fri 22:00-06:00 Europe/Berlin, or a list of several\n6:1: unknown key 'zebra'; allowed are name, table, set, where, using, python, sync, batch, throttle, lock_timeout, statement_timeout, lanes, synchronous_commit, wal_compression, vacuum, on_row_error, max_rejected, accept, window, after, priority, finish\n7:15: 'lock_timeout' is not a duration: '1'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        "throttle: {max_lag: .5s}",
        "5:21: 'max_lag' is not a duration: '.5s'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        'throttle: {max_lag: "10s\\n"}',
        "5:21: 'max_lag' is not a duration: '10s\\n'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        "throttle: {max_lag: ٣s}",
        "5:21: 'max_lag' is not a duration: '٣s'; write a number and us, ms, s, m, h or d, such as 250ms",
    ),
    (
        'lock_timeout: "\\\'"',
        "5:17: not YAML: no escape '\\'' in double quotes; quote the value as a whole, or write it in lines after '|'",
    ),
    (
        "? \n...",
        "5:2: unknown key ''; allowed are name, table, set, where, using, python, sync, batch, throttle, lock_timeout, statement_timeout, lanes, synchronous_commit, wal_compression, vacuum, on_row_error, max_rejected, accept, window, after, priority, finish",
    ),
    (
        "batch: {rows: 0, stripes: 13}\nthrottle: {max_lag: 0s}\nname: b\nwindow: x",
        "5:15: 'rows' is '0'; allowed are 1 to 1000000\n5:27: 'stripes' is '13'; allowed are auto, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12\n6:21: 'max_lag' is '0s'; allowed are 100ms to 1d\n7:1: duplicate key 'name'; it is on line 1 already\n8:9: not a window: 'x'; write days, times and a time zone, such as mon-fri 22:00-06:00 Europe/Berlin",
    ),
]


@pytest.mark.parametrize(("added", "expected"), ADDED)
def test_a_key_too_many_or_wrong(added: str, expected: str):
    assert errors_of(SOUND + added) == expected
    assert has_our_words_only(expected)
