"""`backfill init`: the state schema, and the rights of a worker's role."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from backfill.cli.options import Dsn, epilog, resolve_dsn
from backfill.values.errors import JobError
from backfill.values.exit_codes import ExitCode, exit_codes

EPILOG = epilog(
    "Next: backfill plan JOB.yaml. It is safe to run init again.",
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        failed="cannot connect",
        invalid="no such role",
        halted="permission denied",
    ),
)


def init(
    dsn: Dsn = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the statements for a DBA. Only --job needs a connection for that.")
    ] = False,
    role: Annotated[str | None, typer.Option("--role", help="Grant a worker's rights to this role.")] = None,
    operator: Annotated[
        str | None,
        typer.Option("--operator", help="Grant this role what pause, resume, cancel, tune, forget and status need."),
    ] = None,
    job: Annotated[
        Path | None,
        typer.Option("--job", metavar="JOB.yaml", help="Also grant what this job needs of its tables, with --role."),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Allow a publication to include the state tables, so that subscribers get them, too."
        ),
    ] = False,
) -> None:
    """Create the state schema, and grant roles the least rights that a worker and an operator need."""
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.postgres.state import schema  # noqa: PLC0415

    grants = ""
    if job is not None:
        if role is None:
            raise JobError("--job grants a role what a job needs; name the role: --role ROLE")
        grants = anyio.run(_read_grants, resolve_dsn(dsn), job, role)
    if print_only:
        typer.echo(schema.init_script(role, operator=operator, published=published, grants=grants), nl=False)
        return
    anyio.run(partial(schema.init, operator=operator, published=published, grants=grants), resolve_dsn(dsn), role)
    granted = "".join(f'; privileges granted to role "{grantee}"' for grantee in (role, operator) if grantee)
    typer.echo(f'schema "backfill" is ready{granted}')


async def _read_grants(dsn: str, path: Path, role: str) -> str:
    from backfill.postgres.plan.job_grants import read_grants, script_of  # noqa: PLC0415 - help starts faster without
    from backfill.service.job_directory import read_job  # noqa: PLC0415

    return script_of(await read_grants(dsn, read_job(path), role))
