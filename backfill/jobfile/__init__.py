"""From a YAML file to a `Job`, or to every mistake in it as `file:line:col: problem; fix`.

`load` is the way in. `source` reads the text; `job`, `limits` and `finish` are the models; `*_fields` and
`field_types` parse their values; `sql_expression` checks SQL by PostgreSQL's lexical rules; `unknown_keys` and
`validation_messages` word the mistakes; `overrides` changes limits of a started job; `json_schema` is for editors. May
import `values`, and is the only package with pydantic and yaml.

To add a key: a field with limits and a description in `job` or `limits`, and `jobs/job.schema.json` written again. If
it can be tuned, a line in `overrides`, too.
"""
