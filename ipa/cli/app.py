"""The `ipa` command: the only wiring, and the one place where errors become exit codes."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from ipa.cli.adapt import adapt
from ipa.cli.fit import fit
from ipa.cli.forecast import forecast
from ipa.cli.history import history
from ipa.cli.load import load
from ipa.cli.manifests import manifests
from ipa.cli.profile import profile
from ipa.cli.replica import replica
from ipa.cli.report import report
from ipa.cli.rollback import rollback
from ipa.cli.router import router
from ipa.cli.serve import serve
from ipa.cli.simulate import simulate
from ipa.cli.solve import solve
from ipa.cli.status import status
from ipa.cli.trace import trace
from ipa.errors import IpaError

app = typer.Typer(
    name="ipa",
    help="Keeps a multi-stage inference pipeline at the best trade of accuracy and cost inside its latency objective.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    profile,
    fit,
    solve,
    serve,
    router,
    replica,
    load,
    adapt,
    simulate,
    report,
    manifests,
    status,
    history,
    rollback,
):
    app.command()(command)
app.add_typer(trace, name="trace")
app.add_typer(forecast, name="forecast")


EXTRAS = {"lightgbm": "forecast", "torch": "lstm", "kubernetes": "kubernetes", "urllib3": "kubernetes"}
"""What to install for a package that not everybody wants."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ipa {version('ipa')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 error, 2 wrong usage or config, 130 interrupted; commands add theirs.

    Usage errors and ^C are typer's, in standalone mode with the same codes.
    """
    # A background job of a script starts with SIGINT ignored; here ^C and kill -INT always mean the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except IpaError as error:
        sys.stderr.write(f"ipa: {error}\n")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "ipa":
            raise
        extra = EXTRAS.get(error.name, "serve,plot")
        sys.stderr.write(f"ipa: this needs the package {error.name!r}: pip install 'ipa[{extra}]'\n")
        sys.exit(1)
