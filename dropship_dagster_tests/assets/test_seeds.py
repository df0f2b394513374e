"""seeds/*: the CSV files as assets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import dagster as dg
import pytest

from dropship_dagster.assets.seeds import SEED_TABLES, fingerprint, seed_key, seeds

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


def test_own_files_are_the_assets_as_they_are(own_folders: Path) -> None:
    materialize()
    folder = own_folders / "data"
    (folder / "manifest.json").unlink()
    (folder / "customers.csv").unlink()
    events = folder / "order_events.csv"
    events.write_bytes(events.read_bytes().replace(b"order_paid", b"order_payed", 1))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    result = materialize({"ops": {"seeds": {"config": {"customers": 31, "seed": 9}}}})
    assert result.success
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    found = {each.asset_key: each.metadata for each in result.asset_materializations_for_node("seeds")}
    assert set(found) == {seed_key(name) for name in SEED_TABLES}
    told = found[seed_key("order_events")]
    assert told["dagster/row_count"].value == before["order_events.csv"][0].count(b"\n") - 1
    assert told["sha256"].value == hashlib.sha256(before["order_events.csv"][0]).hexdigest()
    assert told["source"].value == "somebody's own file"
    assert "not in the folder" in str(found[seed_key("customers")]["source"].value)


def test_changed_files_beside_an_unchanged_manifest_have_another_fingerprint(own_folders: Path) -> None:
    materialize()
    folder = own_folders / "data"
    first = fingerprint(folder)
    orders = folder / "orders.csv"
    text = orders.read_bytes()
    orders.write_bytes(text.replace(b"web", b"wap"))
    assert first != fingerprint(folder) is not None
    orders.write_bytes(text)
    assert fingerprint(folder) == first, "the files came back to what they were"


def test_configuration_out_of_range_is_refused_before_anything_runs(own_folders: Path) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        materialize({"ops": {"seeds": {"config": {"unknown": 1}}}})
    assert not (own_folders / "data").exists()
