"""Checks of the CSV files. Critical ones block the producer, so that nothing broken reaches a topic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dropship_dagster.assets.seeds import SEED_TABLES, seed_key
from dropship_dagster.checks import scoreboard
from dropship_dagster.checks.csv_rules import RULES, CsvFiles, evaluate
from dropship_dagster.checks.outcome import ERROR, WARN
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.shop.rejects import REJECT_SHARE


class SeedChecksConfig(dg.Config):
    """How much may be wrong.

    Rows that break the contract or a rule are dealt with further down, each by itself. More than this share means that
    the file as a whole is wrong, and it is not produced.
    """

    reject_share: float = Field(
        REJECT_SHARE, ge=0, le=1, description="The share of a file's rows that may break the contract or a rule."
    )


_WHOLE = "is_whole"
_CONTRACT = "meets_the_contract"


def _specs() -> Iterator[dg.AssetCheckSpec]:
    for name in SEED_TABLES:
        asset = seed_key(name)
        yield dg.AssetCheckSpec(
            _WHOLE, asset=asset, blocking=True, description="The file is there, with size and SHA-256 of the manifest."
        )
        yield dg.AssetCheckSpec(
            _CONTRACT,
            asset=asset,
            blocking=True,
            description="Rows meet docs/data-contracts.md; more bad ones than reject_share stop the way.",
        )
    for rule in RULES:
        yield rule.spec(blocking=True)
    yield scoreboard.SPEC


@dg.multi_asset_check(name="seed_checks", specs=list(_specs()), can_subset=True)
def seed_checks(context: dg.AssetCheckExecutionContext, config: SeedChecksConfig) -> Iterator[dg.AssetCheckResult]:
    """Compare the CSV files with their manifest, their contract and each other."""
    selected = context.selected_asset_check_keys
    with user_errors():
        folder = Settings.load().data_dir
        for name in SEED_TABLES:
            if dg.AssetCheckKey(seed_key(name), _WHOLE) in selected:
                yield _whole(folder, name)
            if dg.AssetCheckKey(seed_key(name), _CONTRACT) in selected:
                yield _contract(folder, name, config.reject_share)
        if scoreboard.SPEC.key in selected:
            yield scoreboard.evaluate(folder)
        rules = [rule for rule in RULES if rule.key in selected]
        if rules:
            with CsvFiles(folder) as files:
                for rule in rules:
                    yield evaluate(rule, files, config.reject_share)


def _whole(folder: Path, name: str) -> dg.AssetCheckResult:
    from dropship_dagster.shop import read_manifest, tables_of
    from dropship_dagster.shop.contract import table
    from dropship_dagster.shop.manifest import file_digest

    path = folder / f"{name}.csv"
    manifest = read_manifest(folder)
    if table(name) not in tables_of(folder):
        return _result(name, _WHOLE, passed=True, description=_known_before(name))
    if not path.is_file():
        return _result(name, _WHOLE, passed=False, description=f"{path} does not exist: run `dropship generate`.")
    if manifest is None or path.name not in manifest.files:
        return _result(name, _WHOLE, passed=True, description="No manifest names it: taken as somebody's own file.")
    facts, size = manifest.files[path.name], path.stat().st_size
    if size == facts.bytes and file_digest(path) == facts.sha256:
        return _result(name, _WHOLE, passed=True, metadata={"rows": facts.rows, "bytes": size})
    description = (
        f"{path} was changed since it was generated. It is used as it is: remove manifest.json if that is meant, else "
        "generate the folder anew with --overwrite."
    )
    return _result(name, _WHOLE, passed=False, severity=WARN, description=description, metadata={"bytes": size})


def _known_before(name: str) -> str:
    return f"{name}.csv is not in the folder: what new orders refer to is known from before."


def _contract(folder: Path, name: str, reject_share: float) -> dg.AssetCheckResult:
    from dropship_dagster.shop import tables_of
    from dropship_dagster.shop.contract import table
    from dropship_dagster.shop.reading import read_batches
    from dropship_dagster.shop.rejects import Rejects

    if table(name) not in tables_of(folder):
        return _result(name, _CONTRACT, passed=True, description=_known_before(name))
    rejects = Rejects(keep=5)
    good = sum(batch.rows.num_rows for batch in read_batches(folder, table(name), rejects))
    rows = good + rejects.count
    too_many = rejects.count > reject_share * rows
    first = [f"line {each.line}, {each.column or 'row'}: {each.reason}" for each in rejects.kept]
    return _result(
        name,
        _CONTRACT,
        passed=not rejects.count,
        severity=ERROR if too_many else WARN,
        description=f"{rejects.count:,} of {rows:,} rows break the contract." if rejects.count else None,
        metadata={"rows": rows, "rejected": rejects.count, **({"first": first} if first else {})},
    )


def _result(
    table: str,
    check: str,
    *,
    passed: bool,
    severity: dg.AssetCheckSeverity = ERROR,
    description: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=seed_key(table),
        check_name=check,
        passed=passed,
        severity=severity,
        description=description,
        metadata=metadata or {},
    )
