"""From a YAML file to a `Job`, or to every mistake in it as `file:line:col: problem; fix`.

`load` is the way in. `source` reads the text; `job`, `row_sources`, `limits` and `finish` are the models; `*_fields`
and `field_types` parse their values; `schedule` has time windows and the order of jobs; `sql_expression` checks SQL by
PostgreSQL's lexical rules; `unknown_keys` and `validation_messages` word the mistakes; `spec` says what a started job
may not change; `overrides` changes limits of one; `json_schema` is for editors. May import `values`, and is the only
package with pydantic and yaml.

To add a key: a field with limits and a description in `job` or `limits`, its name in one of the two sets of `spec`, and
`jobs/job.schema.json` written again. If it can be tuned, a line in `overrides`, too.
"""
