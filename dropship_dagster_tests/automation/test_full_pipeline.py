"""full_pipeline from nothing to a validated PROD, on the real local services; then what is broken on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.serdes import serialize_value

from dropship_dagster import warehouse
from dropship_dagster.assets import names
from dropship_dagster.automation.run import JobReport
from dropship_dagster.checks import warehouse_scoreboard
from dropship_dagster.definitions import defs, run_job
from dropship_dagster.endpoints import WarehouseEndpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster_tests.resources.fixtures import environment_of

# One worker runs all of it, so that the pipeline of the fixture runs once.


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that ran, and where."""

    settings: Settings
    endpoint: WarehouseEndpoint
    instance: dg.DagsterInstance
    first: JobReport


@pytest.fixture(scope="module")
def pipeline(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """full_pipeline, run once, with an instance that remembers it."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in environment_of(settings, tmp_path_factory.mktemp("pipeline"), "PIPELINE").items():
            patch.setenv(name, value)
        own = Settings.load()
        report = run_job("full_pipeline", instance=instance)
        yield Pipeline(own, warehouse_endpoint(own), instance, report)


def rows(pipeline: Pipeline, sql: str) -> list[tuple[object, ...]]:
    with warehouse.connect(pipeline.endpoint) as connection:
        return list(connection.cursor().execute(sql).fetchall())


def validation(pipeline: Pipeline) -> dict[str, object]:
    report = json.loads((pipeline.settings.reports_dir / "validation.json").read_bytes())
    assert isinstance(report, dict)
    return report


def test_it_ends_well_with_every_check_evaluated(pipeline: Pipeline) -> None:
    assert pipeline.first.success, pipeline.first.failed_steps
    assert len(pipeline.first.checks) > 90
    assert not [check for check in pipeline.first.checks if check.status == "not_evaluated"]


def test_the_report_counts_every_station(pipeline: Pipeline) -> None:
    report = json.loads((pipeline.settings.reports_dir / "runs" / f"{pipeline.first.run_id}.json").read_bytes())
    assert report["ok"] is True
    assert report["schema_version"] == 1
    stations = report["stations"]
    assert stations["seeds"]["orders"] == pipeline.settings.orders
    assert stations["prod"]["orders"] == pipeline.settings.orders
    assert stations["seeds"]["order_events"] == stations["topics"]["orders_events"]
    assert stations["topics"] == stations["raw"]
    assert stations["staging"]["rejected_events"] == 0
    assert report["summary"]["passed"] == len(report["checks"])


def test_every_asset_is_materialized_with_its_rows_and_columns(pipeline: Pipeline) -> None:
    expected = warehouse.counts(pipeline.endpoint)
    for table in names.WAREHOUSE_TABLES:
        event = pipeline.instance.get_latest_materialization_event(table.key)
        assert event is not None, table.key
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        assert metadata["dagster/row_count"].value == expected[table.sql_name]
        assert metadata["dagster/column_schema"].value.columns


def test_raw_tells_its_offsets_its_lag_and_its_batches(pipeline: Pipeline) -> None:
    for table in names.RAW_TABLES:
        event = pipeline.instance.get_latest_materialization_event(table.key)
        assert event is not None
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        assert sum(metadata["next_offsets"].value.values()) == metadata["dagster/row_count"].value
        assert metadata["lag"].value == 0
        assert metadata["batches"].value >= 1
        assert "events/s" in metadata["events_per_second_by_batch"].value


def test_daily_sales_shows_its_last_days(pipeline: Pipeline) -> None:
    event = pipeline.instance.get_latest_materialization_event(names.key("prod/daily_sales"))
    assert event is not None
    chart = event.asset_materialization.metadata["revenue_by_day"].value  # type: ignore[union-attr]
    days = rows(pipeline, "SELECT DISTINCT SALES_DATE FROM PROD.DAILY_SALES ORDER BY 1 DESC LIMIT 14")
    assert [line.split()[0] for line in str(chart).splitlines()[1:-1]] == [str(day) for (day,) in reversed(days)]


def test_the_assets_are_the_tables_that_the_warehouse_counts(pipeline: Pipeline) -> None:
    assert [table.sql_name for table in names.WAREHOUSE_TABLES] == list(warehouse.counts(pipeline.endpoint))


def test_every_column_of_prod_tells_where_it_comes_from(pipeline: Pipeline) -> None:
    columns: dict[dg.AssetKey, set[str]] = {}
    lineages: dict[dg.AssetKey, dg.TableColumnLineage] = {}
    for table in names.STAGING_TABLES + names.PROD_TABLES:
        event = pipeline.instance.get_latest_materialization_event(table.key)
        assert event is not None
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        columns[table.key] = {column.name for column in metadata["dagster/column_schema"].value.columns}
        if table in names.PROD_TABLES:
            lineages[table.key] = metadata["dagster/column_lineage"].value
    for table in names.PROD_TABLES:
        deps = lineages[table.key].deps_by_column
        without = {column for column in columns[table.key] if not deps[column]}
        assert without <= {"UPDATED_AT"}, table.key
        for dep in (dep for listed in deps.values() for dep in listed):
            assert dep.column_name in columns[dep.asset_key], (table.key, dep)
            assert dep.asset_key in table.upstream, (table.key, dep)


def test_the_password_is_in_no_event_and_no_report(pipeline: Pipeline) -> None:
    password = str(pipeline.endpoint.connect_args["password"])
    events = [serialize_value(entry) for entry in pipeline.instance.all_logs(pipeline.first.run_id)]
    assert len(events) > 100
    assert not [event for event in events if password in event]
    written = [path for path in pipeline.settings.reports_dir.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if password in path.read_text(encoding="utf-8")]


def test_each_table_tells_what_its_own_task_did(pipeline: Pipeline) -> None:
    for task, table in warehouse.TABLE_OF_TASK.items():
        event = pipeline.instance.get_latest_materialization_event(names.key(table.lower().replace(".", "/")))
        assert event is not None
        metadata = event.asset_materialization.metadata  # type: ignore[union-attr]
        assert metadata["task"].value == task
        assert metadata["task_state"].value == "SUCCEEDED"


@pytest.mark.slow
def test_a_second_run_changes_no_row_and_no_total(pipeline: Pipeline) -> None:
    total = "SELECT COUNT(*), SUM(TOTAL), SUM(REVENUE), SUM(MARGIN) FROM PROD.ORDERS"
    before, counted = rows(pipeline, total), warehouse.counts(pipeline.endpoint)
    again = run_job("full_pipeline", instance=pipeline.instance)
    assert again.success, (again.failed_steps, again.failed_checks)
    assert rows(pipeline, total) == before
    after = warehouse.counts(pipeline.endpoint)
    assert {table: count for table, count in after.items() if table.startswith("PROD.")} == {
        table: count for table, count in counted.items() if table.startswith("PROD.")
    }
    assert after["RAW.ORDERS_EVENTS"] == 2 * counted["RAW.ORDERS_EVENTS"]  # a replay sends, and has no second effect


def materialized(pipeline: Pipeline, *assets: str) -> set[dg.AssetKey]:
    """Select these assets alone and materialize them, as in the UI or by `dagster asset materialize --select`."""
    selection = {names.key(asset) for asset in assets}
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=selection)
    result = job.execute_in_process(instance=pipeline.instance)
    return {event.asset_key for event in result.get_asset_materialization_events() if event.asset_key}


def test_a_selection_materializes_what_it_names_and_nothing_else(pipeline: Pipeline) -> None:
    assert materialized(pipeline, "raw/orders_events") == {names.key("raw/orders_events")}
    graph = {table.key for table in names.STAGING_TABLES + names.PROD_TABLES}
    assert materialized(pipeline, *("/".join(key.path) for key in graph)) == graph


@pytest.mark.parametrize("asset", ["prod/orders", "staging/order_events", "seeds/orders", "topics/customers"])
def test_a_selection_that_would_do_more_than_it_says_is_refused(pipeline: Pipeline, asset: str) -> None:
    with pytest.raises(dg.DagsterInvalidSubsetError, match=asset.split("/")[1]):
        materialized(pipeline, asset)


def test_a_wrong_row_in_prod_fails_validation_and_the_report_names_it(pipeline: Pipeline) -> None:
    (order, total), *_ = rows(pipeline, "SELECT ORDER_ID, TOTAL FROM PROD.ORDERS ORDER BY ORDER_ID LIMIT 1")
    rows(pipeline, f"UPDATE PROD.ORDERS SET TOTAL = -1, STATUS = '<b>LOST</b>' WHERE ORDER_ID = '{order}'")
    try:
        report = run_job("validate", instance=pipeline.instance)
        written = validation(pipeline)
    finally:
        repair = f"UPDATE PROD.ORDERS SET TOTAL = {total}, STATUS = 'X' WHERE ORDER_ID = '{order}'"
        rows(pipeline, repair)
    assert not report.success
    failed = {(check.asset, check.check) for check in report.failed_checks}
    assert {
        ("prod/orders", "total_is_at_least_0"),
        ("prod/orders", "status_is_known"),
        ("prod/orders", "total_adds_up"),
        ("prod/orders", "equals_the_accepted_events"),
        ("prod/orders", "equals_the_csv_files"),
    } <= failed
    assert written["ok"] is False
    assert written["run_id"] == report.run_id
    assert all(check.status != "not_evaluated" for check in report.checks)
    assert written["stations"], "the report of a failed validation still counts the stages"


@pytest.mark.slow
def test_the_files_of_another_shop_are_told_apart_from_prod(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPSHIP_DATA_DIR", str(tmp_path / "other"))
    config = {"ops": {"seeds": {"config": {"seed": 7}}}}
    assert run_job("generate_seeds", run_config=config).success
    report = run_job("validate", instance=pipeline.instance)
    assert not report.success
    sentences = {check.check: check.description for check in report.failed_checks}
    assert "another seed or size" in str(sentences["equals_the_csv_files"])
    differing = re.match(r"([\d,]+) of ([\d,]+) days", str(sentences["equals_the_csv_files"]))
    assert differing
    some, of_all = (int(number.replace(",", "")) for number in differing.groups())
    assert some <= of_all, "days of which only PROD knows count as well"


@pytest.mark.slow
def test_planted_faults_warn_and_what_is_good_goes_through(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_of(settings, tmp_path, "DIRTY").items():
        monkeypatch.setenv(name, value)
    config = {"ops": {"seeds": {"config": {"customers": 100, "products": 50, "orders": 1000, "dirty": 0.02}}}}
    report = run_job("full_pipeline", run_config=config)
    assert report.success, (report.failed_steps, [check for check in report.checks if check.critical])
    warned = {(check.asset, check.check) for check in report.failed_checks}
    assert ("seeds/order_events", "meets_the_contract") in warned
    assert ("topics/orders_events", "holds_the_seeds") in warned
    written = json.loads((tmp_path / "reports" / "validation.json").read_bytes())
    assert written["ok"] is True
    assert written["summary"]["warned"] == len(warned)
    assert 0 < written["stations"]["prod"]["orders"] <= 1000

    board = {(line["where"], line["kind"]): line for line in written["scoreboard"]}
    for kind in ("wrong_total", "late_event", "duplicate in order_events.csv", "unknown_reference in order_lines.csv"):
        line = board["warehouse", kind]
        assert 0 < line["reached"] <= line["planted"], kind
        assert (line["recall"], line["precision"]) == (1, 1), kind
    assert board["csv", "all of these"]["found"] == board["csv", "all of these"]["planted"] > 0
    assert "<h2>Planted faults</h2>" in (tmp_path / "reports" / "validation.html").read_text()

    # A truth that is not that of these files: what it forgot is a false alarm, what it made up is not told.
    truth = tmp_path / "data" / "truth.csv"
    lines = truth.read_text().splitlines()
    late = next(number for number, line in enumerate(lines) if line.startswith("late_event"))
    order, version = placed_in_time(Settings.load(), {line.split(",")[4] for line in lines})
    lines[late] = f"late_event,order_events.csv,2,,{order},{version},harmless"
    truth.write_text("\n".join([*lines, ""]))
    result = compare(Settings.load())
    line = next(line for line in result.metadata["scoreboard"].value if line["kind"] == "late_event")
    assert not result.passed
    assert line["false_alarms"] == 1
    assert line["found"] == line["reached"] - 1


def placed_in_time(settings: Settings, spoilt: set[str]) -> tuple[str, int]:
    """An event of an order without a fault."""
    with warehouse.connect(warehouse_endpoint(settings)) as connection:
        found = connection.cursor().execute("SELECT ORDER_ID, VERSION FROM STAGING.ORDER_EVENTS").fetchall()
    return next((order, int(version)) for order, version in found if order not in spoilt)


def compare(settings: Settings) -> dg.AssetCheckResult:
    """The scoreboard of the warehouse, as it is now."""
    with warehouse.connect(warehouse_endpoint(settings)) as connection:

        def query(sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
            cursor = connection.cursor().execute(sql)
            return [column.name for column in cursor.description], cursor.fetchall()

        return warehouse_scoreboard.evaluate(settings.data_dir, query)
