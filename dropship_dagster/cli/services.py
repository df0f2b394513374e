"""`dropship services`: the local broker and warehouse of this home folder."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from dropship_dagster.cli.console import out, print_json, sentences, settings

app = typer.Typer(no_args_is_help=True, help="The local services: start, stop, and how to connect to them.")


@app.command()
def up() -> None:
    """Start the local broker and warehouse, if the settings do not name real ones.

    Example: dropship services up
    """
    from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint

    config = settings()
    with sentences(config.home):
        kafka, warehouse = kafka_endpoint(config), warehouse_endpoint(config)
        out.print(f"Kafka      {kafka.bootstrap_servers}")
        out.print(f"Warehouse  account {warehouse.account}, database {warehouse.database}")


@app.command()
def down() -> None:
    """Stop the local services; their data stays.

    Example: dropship services down
    """
    from dropship_dagster.endpoints import supervisor
    from dropship_dagster.supervisor import SERVICES

    config = settings()
    with sentences(config.home):
        for service in SERVICES:
            stopped = supervisor(config).stop(service)
            out.print(f"{service:<10} {'stopped' if stopped else 'did not run'}")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, passwords included, for scripts.")] = False,
) -> None:
    """Show what runs and what a client needs to connect.

    Example: dropship services status --json
    """
    from dropship_dagster.endpoints import supervisor

    config = settings()
    with sentences(config.home):
        state = supervisor(config).status()
    if as_json:
        print_json(state)
        return
    table = Table("service", "running", "pid", "address", "data")
    for name, service in state.items():
        address = service.get("bootstrap_servers") or f"{service.get('host')}:{service.get('port')}"
        running = "[green]yes[/]" if service["running"] else "[yellow]no[/]"
        table.add_row(
            name, running, str(service["pid"] or ""), address if service["running"] else "", service["data_dir"]
        )
    out.print(table)
