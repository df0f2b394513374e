"""seeds/*: the shop's CSV files. One step makes all of them, because they refer to each other.

In a folder with files of somebody's own nothing is generated: the assets are these files, as they are.
"""

import hashlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from dropship_dagster import shop
from dropship_dagster.assets import metadata, names
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.shop.contract import Table, table
from dropship_dagster.shop.counting import rows_of
from dropship_dagster.shop.manifest import FILE as MANIFEST_FILE
from dropship_dagster.shop.manifest import file_digest

_OWNER = "team:shop"

_DESCRIPTIONS = {
    "customers": "Customers of the shop: who they are, where from, since when.",
    "suppliers": "Suppliers: country, lead time, reliability, return window.",
    "products": "The catalogue: clothing with its sizes, price, cost, stock and supplier.",
    "orders": "Orders as they were placed.",
    "order_lines": "What was ordered: a row a product of an order.",
    "order_events": "The life of each order: placed, paid, shipped, delivered, cancelled, returned.",
}


class SeedsConfig(dg.Config):
    """How large a shop to make. What is not given comes from the settings (DROPSHIP_CUSTOMERS and so on)."""

    customers: int | None = Field(None, ge=1, description="Customers, 1 or more.")
    products: int | None = Field(None, ge=1, description="Products, 1 or more.")
    orders: int | None = Field(None, ge=0, description="Orders.")
    seed: int | None = Field(None, ge=0, description="The same seed gives the same bytes, on every machine.")
    dirty: float = Field(0.0, ge=0, le=0.5, description="The share of rows that get a fault, to see what checks catch.")
    parameters: str | None = Field(None, description="A copy of shop.toml with other parameters of the shop.")
    allow_shared_ids: bool = Field(
        False,
        description="Replace generated files although the warehouse holds another data set with the same identifiers.",
    )


SEED_TABLES = tuple(_DESCRIPTIONS)
"""The CSV files, by name without `.csv`."""


def seed_key(table: str) -> dg.AssetKey:
    """The key of a CSV file's asset."""
    return dg.AssetKey([names.SEEDS, table])


def _specs() -> Iterator[dg.AssetSpec]:
    for name, description in _DESCRIPTIONS.items():
        yield dg.AssetSpec(
            seed_key(name),
            description=description,
            group_name=names.SEEDS,
            kinds={"python", "csv"},
            owners=[_OWNER],
            tags=names.tags(name),
        )


@dg.multi_asset(name=names.SEEDS, specs=list(_specs()))
def seeds(context: dg.AssetExecutionContext, config: SeedsConfig) -> Iterator[dg.MaterializeResult[None]]:
    """Generate the CSV files into the data folder; a folder that holds exactly this already is left as it is.

    Files of somebody's own there are used as they are, and nothing is written. Generated files are not replaced by
    files that could not be sent, because the warehouse holds another data set with their identifiers.
    """
    begin = time.monotonic()
    with user_errors():
        settings = Settings.load()
        wanted = _shop_config(config, settings)
        try:
            accept = None if config.allow_shared_ids else partial(_accept, context, settings)
            manifest = shop.generate(wanted, settings.data_dir, accept=accept)
        except shop.OwnFilesError:
            own = shop.own_files(settings.data_dir)
            if not own:
                raise
            context.log.info(shop.used_as_they_are(settings.data_dir, own))
            yield from _own(settings.data_dir)
            return
        duration = time.monotonic() - begin
        for name in _DESCRIPTIONS:
            facts = manifest.files[f"{name}.csv"]
            yield dg.MaterializeResult(
                asset_key=seed_key(name),
                data_version=dg.DataVersion(facts.sha256),
                metadata={
                    metadata.ROW_COUNT: facts.rows,
                    metadata.COLUMN_SCHEMA: _column_schema(table(name)),
                    "path": dg.MetadataValue.path(settings.data_dir / f"{name}.csv"),
                    "bytes": facts.bytes,
                    "sha256": facts.sha256,
                    "seed": wanted.seed,
                    "seconds": metadata.seconds(duration),
                    "rows_per_second": metadata.per_second(manifest.rows, duration),
                },
            )


def _accept(context: dg.AssetExecutionContext, settings: Settings, new: Path) -> None:
    """Refuse new files that could not be sent, before they replace others.

    Raises:
        SharedIdentifiersError: see `warehouse.compare`.
    """
    from dropship_dagster import warehouse  # late, as in topics.admit

    try:
        notes = warehouse.compare(settings, shop.data_set(new))
    except warehouse.SharedIdentifiersError as error:
        raise warehouse.SharedIdentifiersError(f"{error} {settings.data_dir} stays as it was.") from None
    for note in notes:
        context.log.warning(note)


def _own(folder: Path) -> Iterator[dg.MaterializeResult[None]]:
    """Somebody's own files, as they are; one that the folder need not hold has no rows."""
    held = {table.name for table in shop.tables_of(folder)}
    for name in _DESCRIPTIONS:
        path = folder / f"{name}.csv"
        facts: dict[str, Any] = {"path": dg.MetadataValue.path(path), "source": "somebody's own file"}
        if name not in held:
            facts["source"] = "not in the folder: known from before"
            yield dg.MaterializeResult(asset_key=seed_key(name), metadata=facts)
            continue
        rows = rows_of(folder, table(name))
        digest = file_digest(path)
        yield dg.MaterializeResult(
            asset_key=seed_key(name),
            data_version=dg.DataVersion(digest),
            metadata={
                metadata.ROW_COUNT: rows,
                metadata.COLUMN_SCHEMA: _column_schema(table(name)),
                **facts,
                "bytes": path.stat().st_size,
                "sha256": digest,
            },
        )


def _column_schema(contract: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                str(column.kind.value),
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=contract.key == (column.name,)),
            )
            for column in contract.columns
        ]
    )


def _shop_config(config: SeedsConfig, settings: Settings) -> shop.ShopConfig:
    given = {name: getattr(config, name) for name in ("customers", "products", "orders", "seed")}
    values = {name: getattr(settings, name) if value is None else value for name, value in given.items()}
    values["dirty"] = config.dirty
    if config.parameters:
        values["parameters"] = shop.load_parameters(Path(config.parameters))
    try:
        return shop.ShopConfig(**values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise DropshipError(f"The seeds cannot be made: {problem['loc'][0]}: {problem['msg']}.") from error


def fingerprint(folder: Path) -> str | None:
    """What tells one set of files from another; None while it is not whole.

    A generated folder is told by its manifest, which holds every file's SHA-256 and is written last. Somebody's own
    files are told by size and time of change.
    """
    if not all((folder / each.file).is_file() for each in shop.tables_of(folder)):
        return None
    if shop.generated_manifest(folder) is None:
        return shop.folder_signature(folder)
    return hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()
