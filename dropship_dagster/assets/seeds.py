"""seeds/*: the shop's CSV files. One step makes all of them, because they tell one story."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pydantic import Field, ValidationError

from dropship_dagster import shop
from dropship_dagster.assets import metadata, names
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.shop.contract import Table, table
from dropship_dagster.shop.manifest import FILE as MANIFEST_FILE

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
def seeds(config: SeedsConfig) -> Iterator[dg.MaterializeResult[None]]:
    """Generate the CSV files into the data folder; a folder that holds exactly this already is left as it is."""
    begin = time.monotonic()
    with user_errors():
        settings = Settings.load()
        wanted = _shop_config(config, settings)
        manifest = shop.generate(wanted, settings.data_dir)
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
    paths = [folder / f"{name}.csv" for name in SEED_TABLES]
    if not all(path.is_file() for path in paths):
        return None
    manifest = folder / MANIFEST_FILE
    if manifest.is_file():
        return hashlib.sha256(manifest.read_bytes()).hexdigest()
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
