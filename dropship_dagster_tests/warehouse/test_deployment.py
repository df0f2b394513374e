"""Deployment: idempotent, resumable, versioned."""

from __future__ import annotations

import dataclasses
import re
import shutil
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse import (
    DeploymentError,
    NotDeployedError,
    connect,
    counts,
    deploy,
    is_deployed,
    prepare,
    refresh,
)
from dropship_dagster.warehouse.scripts import SQL_DIR, read_scripts
from dropship_dagster_tests.warehouse.events import Order, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

FILES = tuple(script.name for script in read_scripts())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of sql/ that a test may change."""
    return Path(shutil.copytree(SQL_DIR, tmp_path / "sql"))


def inventory(endpoint: WarehouseEndpoint) -> list[tuple[object, ...]]:
    """Every table and column, and when each file was deployed."""
    with connect(endpoint) as connection:
        cursor = connection.cursor()
        columns = cursor.execute(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS "
            "WHERE TABLE_SCHEMA IN ('RAW', 'STAGING', 'PROD', 'OPS') ORDER BY 1, 2, 3"
        ).fetchall()
        return (
            columns
            + cursor.execute("SELECT FILE, CHECKSUM, APPLIED_AT FROM OPS.SCHEMA_MIGRATIONS ORDER BY 1").fetchall()
        )


def test_a_second_deployment_changes_nothing(database: WarehouseEndpoint) -> None:
    before = inventory(database)
    report = deploy(database)
    assert report.applied == ()
    assert report.unchanged == FILES
    assert inventory(database) == before
    with connect(database) as connection:
        assert is_deployed(connection, database.database)


def test_a_changed_view_is_deployed_again_and_nothing_else(own_database: WarehouseEndpoint, folder: Path) -> None:
    views = folder / "05_reporting_views.sql"
    views.write_text(views.read_text() + "\nCREATE OR REPLACE VIEW PROD.V_EXTRA COMMENT = 'x' AS SELECT 1 AS ONE;\n")
    assert deploy(own_database, folder=folder).applied == ("05_reporting_views.sql",)
    with connect(own_database) as connection:
        assert connection.cursor().execute("SELECT ONE FROM PROD.V_EXTRA").fetchall() == [(1,)]


def test_a_changed_graph_keeps_the_place_of_its_streams(own_database: WarehouseEndpoint, folder: Path) -> None:
    with connect(own_database) as connection:
        connection.cursor().execute(
            "INSERT INTO RAW.CUSTOMERS (TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, BATCH_ID, INGESTED_AT) "
            "SELECT 't', 'i', 0, 0, 'b', SYSDATE()"
        )
        tasks = folder / "03_streams_tasks" / "01_root.sql"
        tasks.write_text(tasks.read_text().replace("AFTER_NUM_FAILURES = 10", "AFTER_NUM_FAILURES = 9"))
        assert deploy(own_database, folder=folder).applied == ("03_streams_tasks.sql",)
        refresh(own_database)
        assert connection.cursor().execute("SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS").fetchone() == (1,)


def test_a_graph_of_one_file_is_replaced_by_that_of_the_folder(own_database: WarehouseEndpoint, folder: Path) -> None:
    """Earlier versions have one file, under the name by which the folder is recorded."""
    graph = next(script for script in read_scripts(folder) if script.name == "03_streams_tasks.sql")
    shutil.rmtree(folder / "03_streams_tasks")
    (folder / graph.name).write_text(graph.text.replace("AFTER_NUM_FAILURES = 10", "AFTER_NUM_FAILURES = 9"))
    assert deploy(own_database, folder=folder).applied == (graph.name,)
    with connect(own_database) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "INSERT INTO RAW.CUSTOMERS (TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, BATCH_ID, INGESTED_AT) "
            "SELECT 't', 'i', 0, 0, 'b', SYSDATE()"
        )
        assert deploy(own_database).applied == (graph.name,)
        refresh(own_database)
        assert cursor.execute("SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS").fetchone() == (1,)
        cursor.execute("SELECT COUNT(*) FROM OPS.SCHEMA_MIGRATIONS WHERE FILE LIKE '03%'")
        assert cursor.fetchone() == (1,)


def test_a_change_of_a_fragment_deploys_the_graph_again(own_database: WarehouseEndpoint, folder: Path) -> None:
    rules = folder / "03_streams_tasks" / "fragments" / "envelope_rules.sql"
    rules.write_text(rules.read_text().replace("'version is less than 1'", "'version is not 1 or more'"))
    assert deploy(own_database, folder=folder).applied == ("03_streams_tasks.sql",)
    with connect(own_database) as connection:
        cursor = connection.cursor().execute(f'SHOW TASKS IN SCHEMA "{own_database.database}".OPS')
        names = [column.name.lower() for column in cursor.description]
        tasks = [dict(zip(names, row, strict=True)) for row in cursor]
    staging = [task for task in tasks if str(task["name"]).startswith("STAGE_")]
    assert len(staging) == 3
    assert all("'version is not 1 or more'" in str(task["definition"]) for task in staging)
    assert {task["state"] for task in tasks} == {"started"}


def test_a_changed_graph_counts_the_derived_tables_anew(own_pipeline: Pipeline, folder: Path) -> None:
    pipeline = own_pipeline
    orders = [Order(f"O{n}", f"C{n % 2}") for n in range(1, 5)]
    pipeline.send(pipeline.products, [product("P00001")])
    for order in orders:
        at = f"2026-03-0{order.order_id[1]}T10:00:00.000Z"
        pipeline.send(pipeline.orders, [order.placed(at=at), order.paid(), order.delivered()])
    pipeline.load()
    pipeline.refresh()
    for statement in (
        "DELETE FROM PROD.DAILY_SALES WHERE SALES_DATE < '2026-03-03'",
        "UPDATE PROD.DAILY_SALES SET REVENUE = 1, CATEGORY = 'Hats' WHERE SALES_DATE = '2026-03-03'",
        "UPDATE PROD.DAILY_PRODUCT_SALES SET UNITS = 77",
        "DELETE FROM PROD.DAILY_PRODUCT_SALES WHERE SALES_DATE = '2026-03-02'",
        "UPDATE PROD.DAILY_SUPPLIER_DELIVERIES SET MINUTES = MINUTES + 144 WHERE SALES_DATE = '2026-03-02'",
        "DELETE FROM PROD.DAILY_SUPPLIER_DELIVERIES WHERE SALES_DATE = '2026-03-03'",
        "DELETE FROM PROD.CUSTOMER_FIRST_ORDERS WHERE CUSTOMER_ID = 'C0'",
        "UPDATE PROD.CUSTOMER_FIRST_ORDERS SET ORDER_ID = 'O3', FIRST_AT = '2026-03-03 10:00:00'",
    ):
        pipeline.rows(statement)
    pipeline.refresh()
    assert not pipeline.verify().ok
    tasks = folder / "03_streams_tasks" / "01_root.sql"
    tasks.write_text(tasks.read_text().replace("AFTER_NUM_FAILURES = 10", "AFTER_NUM_FAILURES = 9"))
    deploy(pipeline.endpoint, folder=folder)
    pipeline.refresh()
    pipeline.assert_sound(events=13)


def test_a_changed_table_file_is_refused_with_a_way_out(own_database: WarehouseEndpoint, folder: Path) -> None:
    tables = folder / "02_tables.sql"
    tables.write_text(tables.read_text() + "\n-- a change\n")
    with pytest.raises(DeploymentError, match=r"02_tables.sql was changed.*06_change.sql.*--accept-changed 02"):
        deploy(own_database, folder=folder)
    assert deploy(own_database, folder=folder, accept_changed=["02_tables.sql"]).applied == ()
    assert deploy(own_database, folder=folder).unchanged == FILES


def test_an_older_deployment_is_migrated_by_a_new_file(own_database: WarehouseEndpoint, folder: Path) -> None:
    (folder / "06_gift.sql").write_text(
        "-- deploy: once\nALTER TABLE PROD.CUSTOMERS ADD COLUMN IF NOT EXISTS GIFTS NUMBER(10, 0);\n"
    )
    assert deploy(own_database, folder=folder).applied == ("06_gift.sql",)
    assert deploy(own_database, folder=folder).applied == ()
    with connect(own_database) as connection:
        assert connection.cursor().execute("SELECT GIFTS FROM PROD.CUSTOMERS").fetchall() == []


def test_a_deployment_that_failed_half_way_is_finished_by_the_next(
    empty_database: Callable[[], WarehouseEndpoint], folder: Path
) -> None:
    endpoint, tables = empty_database(), folder / "02_tables.sql"
    whole = tables.read_text()
    tables.write_text(
        whole.replace("CREATE TABLE IF NOT EXISTS PROD.ORDERS (", "CREATE TABLE IF NOT EXISTS PROD.ORDERS ((", 1)
    )
    with pytest.raises(DeploymentError, match=r"sql/02_tables.sql, statement \d+ .*PROD.ORDERS"):
        deploy(endpoint, folder=folder)
    with connect(endpoint) as connection:
        assert connection.cursor().execute("SELECT COUNT(*) FROM STAGING.ORDER_EVENTS").fetchone() == (0,)
    tables.write_text(whole)
    assert deploy(endpoint, folder=folder).applied == FILES[1:]


def test_two_first_deployments_at_once_both_work(empty_database: Callable[[], WarehouseEndpoint]) -> None:
    endpoint, failures = empty_database(), []

    def run() -> None:
        try:
            deploy(endpoint)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert deploy(endpoint).applied == ()
    with connect(endpoint) as connection:
        assert connection.cursor().execute("SELECT COUNT(*) FROM OPS.LOCKS").fetchone() == (1,)


def test_a_database_that_is_not_deployed_is_named(empty_database: Callable[[], WarehouseEndpoint]) -> None:
    endpoint = empty_database()
    with pytest.raises(NotDeployedError, match="dropship deploy"):
        counts(endpoint)
    with pytest.raises(NotDeployedError, match="dropship deploy"):
        refresh(endpoint)


def keys_and_root(endpoint: WarehouseEndpoint) -> tuple[set[str], dict[str, object]]:
    """The tables with a clustering key, and what SHOW TASKS has of the graph's root."""
    with connect(endpoint) as connection:
        cursor = connection.cursor()
        clustered = cursor.execute(
            "SELECT TABLE_SCHEMA || '.' || TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE CLUSTERING_KEY <> ''"
        ).fetchall()
        cursor.execute(f"SHOW TASKS LIKE 'REFRESH' IN SCHEMA \"{endpoint.database}\".OPS")
        names = [column.name.lower() for column in cursor.description]
        return {name for (name,) in clustered}, dict(zip(names, cursor.fetchall()[0], strict=True))


def test_a_database_of_an_earlier_version_loses_its_clustering_keys_and_gains_the_privileges(
    own_database: WarehouseEndpoint,
) -> None:
    """As the version before left it: the checksums that the files say they replace, keys, and no file 07."""
    replaced = {script.name: script.replaces for script in read_scripts() if script.replaces}
    assert set(replaced) == {"01_warehouse_db_schemas.sql", "02_tables.sql"}
    loader = f'"{own_database.database}_LOADER"'
    with connect(own_database) as connection:
        cursor = connection.cursor()
        for name, (checksum,) in replaced.items():
            cursor.execute("UPDATE OPS.SCHEMA_MIGRATIONS SET CHECKSUM = ? WHERE FILE = ?", (checksum, name))
        cursor.execute("DELETE FROM OPS.SCHEMA_MIGRATIONS WHERE FILE = '07_account.sql'")
        cursor.execute("ALTER TABLE PROD.ORDERS CLUSTER BY (TO_DATE(PLACED_AT))")
        cursor.execute("ALTER TABLE PROD.ORDER_STATUS_HISTORY CLUSTER BY (ORDER_ID)")
        cursor.execute(f"REVOKE SELECT ON TABLE OPS.SCHEMA_MIGRATIONS FROM ROLE {loader}")
    assert keys_and_root(own_database)[0] == {"PROD.ORDERS", "PROD.ORDER_STATUS_HISTORY"}
    assert deploy(own_database).applied == ("07_account.sql",)
    assert keys_and_root(own_database)[0] == set()
    with connect(own_database) as connection:
        assert is_deployed(connection, own_database.database)
        granted = connection.cursor().execute(f"SHOW GRANTS TO ROLE {loader}").fetchall()
    assert any("SCHEMA_MIGRATIONS" in str(row) for row in granted)
    assert deploy(own_database).applied == ()


def test_the_schedule_of_the_settings_is_that_of_the_graph_and_a_suspended_graph_stays_so(
    own_database: WarehouseEndpoint,
) -> None:
    for schedule, state in (("15 MINUTES", "started"), ("TRIGGERED", "started"), ("1 HOUR", "suspended")):
        with connect(own_database) as connection:
            verb = "RESUME" if state == "started" else "SUSPEND"
            connection.cursor().execute(f"ALTER TASK OPS.REFRESH {verb}")
        report = deploy(dataclasses.replace(own_database, refresh_schedule=schedule))
        assert (report.applied, report.schedule) == ((), schedule)
        _, root = keys_and_root(own_database)
        assert (root["schedule"], root["state"]) == (None if schedule == "TRIGGERED" else schedule, state)


def test_a_triggered_graph_is_deployed_without_a_schedule_and_refreshes(
    empty_database: Callable[[], WarehouseEndpoint],
) -> None:
    endpoint = dataclasses.replace(empty_database(), refresh_schedule="TRIGGERED")
    deploy(endpoint)
    _, root = keys_and_root(endpoint)
    assert (root["schedule"], root["state"]) == (None, "started")
    assert "SYSTEM$STREAM_HAS_DATA" in str(root["condition"])
    with connect(endpoint) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "INSERT INTO RAW.CUSTOMERS (TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, BATCH_ID, INGESTED_AT) "
            "SELECT 't', 'i', 0, 0, 'b', SYSDATE()"
        )
        refresh(endpoint)
        assert cursor.execute("SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS").fetchone() == (1,)


def test_a_role_that_is_not_accountadmin_leaves_the_resource_monitor_to_it(
    empty_database: Callable[[], WarehouseEndpoint],
) -> None:
    role = f"R{uuid.uuid4().hex[:8].upper()}"
    endpoint = empty_database()
    with connect(endpoint) as connection:
        connection.cursor().execute(f"CREATE ROLE {role}")
        connection.cursor().execute("GRANT CREATE DATABASE, CREATE WAREHOUSE, CREATE ROLE, MANAGE GRANTS ON ACCOUNT "
                                    f"TO ROLE {role}")  # fmt: skip
        connection.cursor().execute(f"GRANT EXECUTE TASK ON ACCOUNT TO ROLE {role} WITH GRANT OPTION")
        connection.cursor().execute(f'GRANT ROLE {role} TO USER "{endpoint.connect_args["user"]}"')
    report = deploy(dataclasses.replace(endpoint, role=role))
    assert report.left_out == ("08_resource_monitor.sql",)
    assert "08_resource_monitor.sql" not in report.applied
    with connect(endpoint) as connection:
        assert is_deployed(connection, endpoint.database), "the ceiling is not part of it"
        monitors = connection.cursor().execute("SHOW RESOURCE MONITORS").fetchall()
    assert not any(f"{endpoint.warehouse}_MONITOR" in str(row) for row in monitors)


def test_programs_deploy_the_local_warehouse_and_only_look_at_an_account(
    empty_database: Callable[[], WarehouseEndpoint],
) -> None:
    endpoint = empty_database()
    account = dataclasses.replace(endpoint, is_account=True)
    with pytest.raises(NotDeployedError, match=r"SNOWFLAKE_ROLE.*role that deploys"):
        prepare(account)
    with connect(endpoint) as connection:
        assert not is_deployed(connection, endpoint.database)
    assert prepare(endpoint) == FILES
    assert prepare(account) == ()


def test_no_schema_hides_the_future_grants_of_its_database() -> None:
    """A schema's future grants take precedence over its database's for the same kind of object, whatever the roles are,
    and the database's are ignored (docs.snowflake.com/en/sql-reference/sql/grant-privilege)."""
    text = "\n".join(script.text for script in read_scripts())
    future = re.findall(r"^GRANT [A-Z, ]+ ON FUTURE (\w+) IN (SCHEMA|DATABASE)", text, re.MULTILINE)
    assert len(future) > 10
    by_schema = {kind for kind, where in future if where == "SCHEMA"}
    assert not by_schema & {kind for kind, where in future if where == "DATABASE"}
