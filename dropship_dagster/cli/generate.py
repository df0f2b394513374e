"""`dropship generate`: the shop's CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from dropship_dagster.cli.console import EXIT_FAILED, out, progress_bar, sentences, settings
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import Settings

if TYPE_CHECKING:
    from dropship_dagster.shop.checking import Known

_ASKED_AT_ONCE = 1_000


def generate(
    customers: Annotated[int | None, typer.Option(min=1, help="How many customers (1000).")] = None,
    products: Annotated[int | None, typer.Option(min=1, help="How many products (200).")] = None,
    orders: Annotated[int | None, typer.Option(min=1, help="How many orders (5000).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same bytes (42).")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="The folder to write (DROPSHIP_DATA_DIR).")] = None,
    dirty: Annotated[float, typer.Option(min=0, max=0.5, help="The share of rows that get a fault.")] = 0.0,
    parameters: Annotated[Path | None, typer.Option(help="A TOML file with the shop's parameters.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move CSV files of your own there into a dated folder beside it.")
    ] = False,
    check: Annotated[Path | None, typer.Option(help="Write nothing: say what is wrong with the files there.")] = None,
    reject_share: Annotated[
        float, typer.Option(min=0, max=1, help="With --check: the share of a file's rows that may be wrong.")
    ] = 0.0,
    known: Annotated[
        bool, typer.Option("--warehouse", help="With --check: look customers and products up in the warehouse too.")
    ] = False,
) -> None:
    """Write the shop's CSV files: customers, suppliers, products, orders, lines, events.

    The folder appears whole or not at all; one that already holds exactly this stays as it is. Files that Dropship did
    not write, or that were changed since, are never replaced: exit code 1, unless --overwrite moves them away.

    With --check, files of your own are held against the contract instead (docs/data-contracts.md); exit code 1 if
    they break it. New orders alone may be checked: without customers.csv, products.csv and suppliers.csv.

    Example: dropship generate --orders 100000 --seed 7 --out /tmp/shop
    """
    from dropship_dagster import shop

    config = settings()
    with sentences(config.home):
        if check:
            _check(check, reject_share, config if known else None)
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
            manifest = shop.generate(wanted, folder, overwrite=overwrite, progress=progress, kept=_say_kept)
        table = Table("file", "rows", "bytes")
        for name, facts in manifest.files.items():
            table.add_row(name, f"{facts.rows:,}", f"{facts.bytes:,}")
        out.print(table)
        out.print(f"In {folder}")


def _say_kept(folder: Path) -> None:
    out.print(f"Your own files were moved to {folder}")


def _check(folder: Path, reject_share: float, warehouse: Settings | None) -> None:
    """Say what is wrong with somebody's own files."""
    from dropship_dagster import shop

    known = _known(warehouse) if warehouse else None
    with progress_bar() as progress:
        report = shop.check(folder, progress=progress, reject_share=reject_share, known=known)
    for finding in report.findings:
        out.print(f"{finding.file}:{finding.line} {finding.column}: {finding.reason}", markup=False)
    for warning in report.warnings:
        out.print(f"[yellow]{warning}[/]")
    for name, problems in report.problems.items():
        if problems:
            out.print(f"[red]{name}: {problems:,} problems[/]")
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)
    rows = sum(report.files.values())
    if any(report.problems.values()):
        out.print(f"[green]No more than {reject_share:.1%} of a file of {folder} is wrong[/]: {rows:,} rows.")
    else:
        out.print(f"[green]All of {folder} meets the contract[/]: {rows:,} rows.")


def _known(config: Settings) -> Known:
    """Which customers and products the warehouse has, asked a thousand at a time."""
    from dropship_dagster import warehouse

    endpoint = warehouse_endpoint(config)

    def known(table: str, ids: Sequence[str]) -> set[str]:
        column = f"{table.removesuffix('s').upper()}_ID"
        found: set[str] = set()
        with warehouse.connect(endpoint, query_tag="dropship generate --check") as connection:
            for start in range(0, len(ids), _ASKED_AT_ONCE):
                some = ids[start : start + _ASKED_AT_ONCE]
                marks = ", ".join("?" * len(some))
                sql = f"SELECT {column} FROM PROD.{table.upper()} WHERE {column} IN ({marks})"
                found |= {row[0] for row in connection.cursor().execute(sql, list(some)).fetchall()}
        return found

    return known
