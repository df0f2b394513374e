"""The command tree."""

from __future__ import annotations

from typing import Annotated

import typer

from dropship_dagster import __version__
from dropship_dagster.cli import cost, demo, doctor, generate, jobs, produce, rejected, services, up, warehouse

app = typer.Typer(
    name="dropship",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dropship {__version__}")
        raise typer.Exit


@app.callback()
def _dropship(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A streaming data platform for a drop-shipping clothing shop."""


app.command()(doctor.doctor)
app.command()(demo.demo)
app.command()(generate.generate)
app.command()(warehouse.deploy)
app.command()(warehouse.consume)
app.command()(warehouse.refresh)
app.command()(jobs.validate)
app.command()(warehouse.verify)
app.command()(warehouse.sql)
app.command()(cost.cost)
app.command()(up.up)
app.command()(up.down)
app.command()(up.monitor)
app.add_typer(produce.app, name="produce")
app.add_typer(rejected.app, name="rejected")
app.add_typer(services.app, name="services")


def run() -> None:
    """Entry point of `dropship` and `python -m dropship_dagster.cli`."""
    app(prog_name="dropship")
