"""`backfill schema`: the JSON Schema of the job file."""

from __future__ import annotations

import typer

EPILOG = (
    "Next: backfill schema > job.schema.json\n\n"
    "First line of a job file: # yaml-language-server: $schema=job.schema.json"
)


def schema() -> None:
    """Print the JSON Schema of the job file, for editors."""
    from backfill.jobfile.json_schema import schema_text  # noqa: PLC0415 - help starts faster without

    typer.echo(schema_text().encode(), nl=False)  # JSON is UTF-8, whatever the terminal speaks
