"""seeds/*: the CSV files as assets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import dagster as dg
import pytest

from dropship_dagster.assets.seeds import SEED_TABLES, seed_key, seeds

SMALL = {"ops": {"seeds": {"config": {"customers": 30, "products": 10, "orders": 40}}}}


def materialize(run_config: dict[str, object] = SMALL) -> dg.ExecuteInProcessResult:
    return dg.materialize([seeds], run_config=run_config, instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)


def test_each_file_is_an_asset_with_rows_columns_and_digest(own_folders: Path) -> None:
    result = materialize()
    assert result.success
    found = {each.asset_key: each for each in result.asset_materializations_for_node("seeds")}
    assert set(found) == {seed_key(name) for name in SEED_TABLES}
    orders = found[seed_key("orders")].metadata
    path = own_folders / "data" / "orders.csv"
    assert orders["dagster/row_count"].value == 40
    assert orders["sha256"].value == hashlib.sha256(path.read_bytes()).hexdigest()
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert [column.name for column in orders["dagster/column_schema"].value.columns] == header


def test_a_second_run_leaves_the_files_as_they_are(own_folders: Path) -> None:
    materialize()
    before = {path.name: path.stat().st_mtime_ns for path in (own_folders / "data").iterdir()}
    materialize()
    assert {path.name: path.stat().st_mtime_ns for path in (own_folders / "data").iterdir()} == before


def test_a_size_that_cannot_be_made_is_refused_in_one_sentence(own_folders: Path) -> None:
    result = materialize({"ops": {"seeds": {"config": {"orders": 10**12}}}})
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert "orders" in str(data.description)


def test_a_file_of_somebody_else_in_the_folder_is_not_touched(own_folders: Path) -> None:
    folder = own_folders / "data"
    folder.mkdir()
    (folder / "letters.txt").write_text("mine")
    result = materialize()
    assert not result.success
    assert (folder / "letters.txt").read_text() == "mine"


def test_configuration_out_of_range_is_refused_before_anything_runs(own_folders: Path) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        materialize({"ops": {"seeds": {"config": {"unknown": 1}}}})
    assert not (own_folders / "data").exists()
