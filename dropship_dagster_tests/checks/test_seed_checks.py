"""The checks of the CSV files find what is wrong with them, and block the way when it is much."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from dropship_dagster.assets.seeds import seed_key, seeds
from dropship_dagster.checks.csv_rules import CsvFiles
from dropship_dagster.checks.seeds import seed_checks

_CONFIG = {"ops": {"seeds": {"config": {"customers": 30, "products": 10, "orders": 60}}}}


@dg.asset(key=["topics", "orders_events"], deps=[seed_key("orders"), seed_key("order_lines")])
def downstream() -> None:
    """Stands for the producer."""


@pytest.fixture
def folder(own_folders: Path) -> Path:
    """A small shop's files."""
    assert dg.materialize([seeds], run_config=_CONFIG).success
    return own_folders / "data"


def check(
    *, with_downstream: bool = False, reject_share: float = 0.05
) -> tuple[dg.ExecuteInProcessResult, dict[tuple[str, str], dg.AssetCheckEvaluation]]:
    """Run the checks on the files as they lie there."""
    defs = dg.Definitions(
        assets=[dg.AssetSpec(seed_key(name)) for name in ("customers", "suppliers", "products", "order_events")]
        + [dg.AssetSpec(seed_key(name)) for name in ("orders", "order_lines")]
        + [downstream],
        asset_checks=[seed_checks],
    )
    selection = dg.AssetSelection.all_asset_checks()
    if with_downstream:
        selection |= dg.AssetSelection.assets(downstream)
    job = dg.define_asset_job("check", selection, executor_def=dg.in_process_executor)
    resolved = dg.Definitions(assets=defs.assets, asset_checks=[seed_checks], jobs=[job]).resolve_job_def("check")
    config = {"ops": {"seed_checks": {"config": {"reject_share": reject_share}}}}
    result = resolved.execute_in_process(run_config=config, raise_on_error=False)
    evaluations = result.get_asset_check_evaluations()
    return result, {(each.asset_key.path[-1], each.check_name): each for each in evaluations}


def failed(evaluations: dict[tuple[str, str], dg.AssetCheckEvaluation]) -> set[tuple[str, str]]:
    return {name for name, each in evaluations.items() if not each.passed}


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_generated_files_pass_every_check(folder: Path) -> None:
    result, evaluations = check(with_downstream=True)
    assert result.success
    assert len(evaluations) == len(seed_checks.check_specs_by_output_name)
    assert not failed(evaluations)


def test_a_file_changed_after_it_was_generated_is_named_and_used(folder: Path) -> None:
    with (folder / "orders.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    result, evaluations = check(with_downstream=True)
    assert result.success
    assert failed(evaluations) == {("orders", "is_whole")}
    assert evaluations["orders", "is_whole"].severity == dg.AssetCheckSeverity.WARN
    assert "changed since it was generated" in str(evaluations["orders", "is_whole"].description)


def test_new_orders_alone_pass_every_check(folder: Path) -> None:
    for name in ("customers", "suppliers", "products"):
        (folder / f"{name}.csv").unlink()
    result, evaluations = check(with_downstream=True)
    assert result.success
    assert not failed(evaluations)
    for name, rule in (
        ("customers", "is_whole"),
        ("orders", "customer_id_exists"),
        ("order_lines", "product_id_exists"),
    ):
        assert "not in the folder" in str(evaluations[name, rule].description)


def test_a_larger_share_of_bad_rows_may_be_allowed(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    text = (folder / "order_events.csv").read_text(encoding="utf-8")
    (folder / "order_events.csv").write_text(text.replace("order_paid", "order_payed"), encoding="utf-8")
    result, _ = check(with_downstream=True)
    assert not result.success
    result, evaluations = check(with_downstream=True, reject_share=0.5)
    assert ("order_events", "meets_the_contract") in failed(evaluations)
    assert evaluations["order_events", "meets_the_contract"].severity == dg.AssetCheckSeverity.WARN


def test_a_wrong_total_is_found_with_the_order_as_a_sample(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    lines = (folder / "orders.csv").read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    position = lines[0].split(",").index("total")
    cells[position] = "0.01"
    (folder / "orders.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:], ""]), encoding="utf-8")
    result, evaluations = check()
    found = evaluations["orders", "total_adds_up"]
    assert failed(evaluations) == {("orders", "total_adds_up")}
    assert found.metadata["violations"].value == 1
    assert found.metadata["samples"].records[0].data["order_id"] == cells[0]
    assert found.severity == dg.AssetCheckSeverity.WARN  # one row of sixty: dealt with further down
    assert result.success


def test_rows_against_the_contract_warn_while_they_are_few(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    change(folder / "order_events.csv", "order_placed", "order_plaiced")
    result, evaluations = check()
    assert ("order_events", "meets_the_contract") in failed(evaluations)
    assert "line 2" in str(evaluations["order_events", "meets_the_contract"].metadata["first"].value)
    assert result.success


def test_many_orders_without_a_customer_block(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    rows = (folder / "customers.csv").read_text(encoding="utf-8").splitlines()
    (folder / "customers.csv").write_text("\n".join([*rows[:5], ""]), encoding="utf-8")
    result, evaluations = check(with_downstream=True)
    assert not result.success
    assert evaluations["orders", "customer_id_exists"].severity == dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize("name", ["suppliers", "orders", "order_lines", "order_events"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.csv").unlink()
    result, evaluations = check()
    assert not result.success
    assert f"{name}.csv does not exist" in str(evaluations[name, "is_whole"].description)


def test_planted_faults_are_scored_against_their_truth(own_folders: Path) -> None:
    config = {"ops": {"seeds": {"config": {"customers": 100, "products": 50, "orders": 400, "dirty": 0.02}}}}
    assert dg.materialize([seeds], run_config=config).success
    _, evaluations = check()
    board = evaluations["orders", "planted_faults_are_found"]
    assert board.passed, board.description
    lines = {line["kind"]: line for line in board.metadata["scoreboard"].value}
    assert lines["all of these"]["planted"] > 10
    assert {line["recall"] for line in lines.values()} == {1.0}
    assert lines["all of these"]["precision"] == 1.0
    assert not evaluations["orders", "meets_the_contract"].passed


def test_a_stray_quote_costs_its_own_row_and_no_other(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    path = folder / "order_events.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    position = next(number for number, line in enumerate(lines) if "order_delivered" in line)
    lines[position] = '"' + lines[position]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    with CsvFiles(folder) as files:
        assert files.rows("order_events") == len(lines) - 2, "the header and the broken row"
