"""`backfill init`: the state schema, and the rights of a worker's role."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from backfill.cli.options import Dsn, epilog, resolve_dsn
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
        bool, typer.Option("--print", help="Print the statements for a DBA, without a connection.")
    ] = False,
    role: Annotated[str | None, typer.Option("--role", help="Grant a worker's rights to this role.")] = None,
    operator: Annotated[
        str | None,
        typer.Option("--operator", help="Grant this role what pause, resume, cancel, tune, forget and status need."),
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

    if print_only:
        typer.echo(schema.init_script(role, operator=operator, published=published), nl=False)
        return
    anyio.run(partial(schema.init, operator=operator, published=published), resolve_dsn(dsn), role)
    granted = "".join(f'; privileges granted to role "{grantee}"' for grantee in (role, operator) if grantee)
    typer.echo(f'schema "backfill" is ready{granted}')
