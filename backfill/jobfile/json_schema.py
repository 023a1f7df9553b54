"""The JSON Schema of a job file, for editors: they complete keys and mark mistakes while one types.

It is less strict than the loader (no limits of durations and sizes, no SQL), and accepts all that the loader accepts.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from backfill.jobfile.job import Job


def job_schema() -> dict[str, Any]:
    """Return the schema, in JSON Schema's draft 2020-12."""
    schema = Job.model_json_schema(by_alias=True)
    schema["$schema"] = GenerateJsonSchema.schema_dialect
    schema["title"] = "backfill job"
    return schema


def schema_text() -> str:
    """Return the schema as `jobs/job.schema.json` and `backfill schema` have it."""
    return json.dumps(job_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
