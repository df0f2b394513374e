"""`dropship generate`: the shop's CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from dropship_dagster.cli.console import EXIT_FAILED, out, progress_bar, sentences, settings
from dropship_dagster.errors import DropshipError


def generate(
    customers: Annotated[int | None, typer.Option(min=1, help="How many customers (1000).")] = None,
    products: Annotated[int | None, typer.Option(min=1, help="How many products (200).")] = None,
    orders: Annotated[int | None, typer.Option(min=1, help="How many orders (5000).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same bytes (42).")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="The folder to write (DROPSHIP_DATA_DIR).")] = None,
    dirty: Annotated[float, typer.Option(min=0, max=0.5, help="The share of rows that get a fault.")] = 0.0,
    parameters: Annotated[Path | None, typer.Option(help="A TOML file with the shop's parameters.")] = None,
    check: Annotated[Path | None, typer.Option(help="Write nothing: say what is wrong with the files there.")] = None,
) -> None:
    """Write the shop's CSV files: customers, suppliers, products, orders, lines, events.

    The folder appears whole or not at all; one that already holds exactly this stays as it is.

    With --check, files of your own are held against the contract instead (docs/data-contracts.md); exit code 1 if
    they break it.

    Example: dropship generate --orders 100000 --seed 7 --out /tmp/shop
    """
    from dropship_dagster import shop

    config = settings()
    with sentences(config.home):
        if check:
            _check(check)
            return
        sizes = {
            "customers": config.customers if customers is None else customers,
            "products": config.products if products is None else products,
            "orders": config.orders if orders is None else orders,
            "seed": config.seed if seed is None else seed,
            "dirty": dirty,
        }
        rules = {"parameters": shop.load_parameters(parameters)} if parameters else {}
        try:
            wanted = shop.ShopConfig(**sizes, **rules)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise DropshipError(f"--{problem['loc'][0]}: {problem['msg']}.") from None
        folder = to or config.data_dir
        with progress_bar() as progress:
            manifest = shop.generate(wanted, folder, progress=progress)
        table = Table("file", "rows", "bytes")
        for name, facts in manifest.files.items():
            table.add_row(name, f"{facts.rows:,}", f"{facts.bytes:,}")
        out.print(table)
        out.print(f"In {folder}")


def _check(folder: Path) -> None:
    """Say what is wrong with somebody's own files."""
    from dropship_dagster import shop

    with progress_bar() as progress:
        report = shop.check(folder, progress=progress)
    for finding in report.findings:
        out.print(f"{finding.file}:{finding.line} {finding.column}: {finding.reason}", markup=False)
    for name, problems in report.problems.items():
        if problems:
            out.print(f"[red]{name}: {problems:,} problems[/]")
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)
    rows = sum(report.files.values())
    out.print(f"[green]All of {folder} meets the contract[/]: {rows:,} rows.")
