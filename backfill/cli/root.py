"""The root of the command line: registers the commands, and turns an error into a message and an exit code."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from backfill import __version__
from backfill.cli import output
from backfill.cli.commands import (
    demo,
    finish,
    gate,
    init,
    plan,
    report,
    retry_rejected,
    run,
    schema,
    serve,
    status,
    tune,
    verify,
)
from backfill.cli.commands.request import cancel, forget, pause, resume
from backfill.cli.options import DATABASE
from backfill.service.stdio import OUTPUT_LOST, mute_broken_streams
from backfill.values.errors import BackfillError
from backfill.values.exit_codes import ExitCode

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fill columns of huge, live PostgreSQL tables without hurting the replicas.",
    epilog=f"{DATABASE}\n\nNo database at hand: backfill demo",
)


def _register(command: Callable[..., None], epilog: str) -> None:
    """Register a command under its function's name, with its docstring as help; the terminal wraps its lines."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    help_text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(command.__name__.replace("_", "-"), help=help_text, epilog=epilog)(command)


_register(run.run, run.EPILOG)
_register(retry_rejected.retry_rejected, retry_rejected.EPILOG)
_register(verify.verify, verify.EPILOG)
_register(serve.serve, serve.EPILOG)
_register(plan.plan, plan.EPILOG)
_register(finish.finish, finish.EPILOG)
_register(status.status, status.EPILOG)
_register(report.report, report.EPILOG)
_register(pause.pause, pause.EPILOG)
_register(resume.resume, resume.EPILOG)
_register(cancel.cancel, cancel.EPILOG)
_register(tune.tune, tune.EPILOG)
_register(forget.forget, forget.EPILOG)
_register(gate.gate, gate.EPILOG)
_register(init.init, init.EPILOG)
_register(schema.schema, schema.EPILOG)
_register(demo.demo, demo.EPILOG)


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        typer.echo(f"backfill {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; print an expected error as one message and exit with its code."""
    try:
        try:
            app(prog_name="backfill")
        finally:
            sys.stdout.flush()
    except BackfillError as error:
        output.print_error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in OUTPUT_LOST:
            raise
        output.print_error(BackfillError(f"output cannot be written: {str(error.strerror).lower()}"))
        sys.exit(ExitCode.FAILED)
    finally:
        mute_broken_streams()
