"""Data sets in one warehouse: which are held together, which are refused, and what is said. On the local services."""

from __future__ import annotations

import csv
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dropship_dagster import shop, stream
from dropship_dagster import warehouse as wh
from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.shop import ShopConfig, generate
from dropship_dagster.shop.contract import ORDER_EVENTS, ORDER_LINES, ORDERS
from dropship_dagster_tests.resources.fixtures import platform
from local_service_tests.free_ports import free_ports

__all__ = ["platform"]


@pytest.fixture
def deployed(platform: Settings) -> Settings:
    """A database and topics of this test alone, deployed and empty."""
    return platform


def query(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    with wh.connect(warehouse_endpoint(settings)) as connection:
        return [tuple(row) for row in connection.cursor().execute(sql).fetchall()]


def made(folder: Path, seed: int = 3, orders: int = 60) -> Path:
    generate(ShopConfig(customers=40, products=15, orders=orders, seed=seed), folder)
    return folder


def own(folder: Path, seed: int = 3) -> Path:
    """The same as somebody's own files."""
    (made(folder, seed) / "manifest.json").unlink()
    return folder


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text), encoding="utf-8")


def admit(settings: Settings, folder: Path, **options: bool) -> tuple[str, ...]:
    return wh.admit(settings, shop.data_set(folder), **options).notes


def send(settings: Settings, folder: Path) -> None:
    """What produce replay does once the data set is admitted."""
    client = kafka_endpoint(settings).client_config
    stream.ensure_topics(client, stream.topic_specs(settings))
    stream.replay(client, folder, topic_names=stream.topic_names(settings))


def load(settings: Settings) -> None:
    endpoint = warehouse_endpoint(settings)
    wh.load(endpoint, kafka_endpoint(settings).client_config, wh.raw_tables(settings))
    wh.refresh(endpoint)


def test_another_data_set_is_refused_while_the_first_is_still_on_its_way(deployed: Settings, tmp_path: Path) -> None:
    assert admit(deployed, made(tmp_path / "one")) == ()
    assert admit(deployed, made(tmp_path / "one")) == ()
    with pytest.raises(wh.SharedIdentifiersError) as refused:
        admit(deployed, own(tmp_path / "two", seed=7))
    said = str(refused.value)
    for words in (
        "Nothing was sent: the shop of the CSV files in two/ shares identifiers with the generated shop of seed 3",
        "order O00000001 is 'placed 2024-",
        "(60 of 60 compared orders differ)",
        "another DROPSHIP_HOME",
        "another SNOWFLAKE_DATABASE together with other DROPSHIP_TOPIC_CUSTOMERS",
        str(deployed.home),
        "--allow-shared-ids",
    ):
        assert words in said
    with pytest.raises(wh.SharedIdentifiersError, match=r"seed 3 .*70 orders.*seed 3 .*60 orders"):
        admit(deployed, made(tmp_path / "more", orders=70))
    assert query(deployed, "SELECT KIND FROM OPS.DATA_SETS") == [("generated",)]
    assert query(deployed, "SELECT COUNT(*), COUNT(DISTINCT ENTITY, ID) FROM OPS.DATA_SET_RECORDS") == [(115, 115)]
    assert admit(deployed, tmp_path / "two", allow_shared=True) == ()
    assert admit(deployed, tmp_path / "one") == admit(deployed, tmp_path / "two") == ()


def test_a_folder_that_grew_or_has_new_orders_alone_goes_on_with_its_data_set(
    deployed: Settings, tmp_path: Path
) -> None:
    first, later = own(tmp_path / "shop"), tmp_path / "later"
    assert admit(deployed, first) == ()
    later.mkdir()
    for table in (ORDERS, ORDER_LINES, ORDER_EVENTS):
        text = (first / table.file).read_text(encoding="utf-8")
        (later / table.file).write_text(text.replace("\nO000", "\nO900"), encoding="utf-8")
    assert admit(deployed, later) == ()
    for table in (ORDERS, ORDER_LINES, ORDER_EVENTS):
        added = (later / table.file).read_text(encoding="utf-8").split("\n", 1)[1]
        with (first / table.file).open("a", encoding="utf-8") as file:
            file.write(added)
    assert admit(deployed, first) == ()
    assert query(deployed, "SELECT LABEL FROM OPS.DATA_SETS") == [("the shop of the CSV files in shop/",)]
    edit(later, "orders.csv", r"(\d+)\.(\d\d),2", r"9\1.\2,2")
    with pytest.raises(wh.SharedIdentifiersError, match=r"CSV files in later/ .* CSV files in shop/"):
        admit(deployed, later)


def test_data_sets_without_a_common_identifier_are_held_together(deployed: Settings, tmp_path: Path) -> None:
    admit(deployed, own(tmp_path / "one"))
    other = own(tmp_path / "two", seed=7)
    for path in other.iterdir():
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\b([COP])00", r"\g<1>77", text), encoding="utf-8")
    assert admit(deployed, other) == ()
    assert len(query(deployed, "SELECT 1 FROM OPS.DATA_SETS")) == 2


def test_a_few_changed_rows_are_named_and_a_higher_version_is_no_difference(deployed: Settings, tmp_path: Path) -> None:
    folder = own(tmp_path / "shop")
    admit(deployed, folder)
    edit(folder, "customers.csv", r",1\n", ",2\n")
    edit(folder, "customers.csv", r",[A-Z]{2},([a-z]{2}_)", r",XX,\1")
    assert admit(deployed, folder) == ()
    edit(folder, "products.csv", r"\nP00001,[^,]*", "\nP00001,Renamed")
    (note,) = admit(deployed, folder)
    assert "product P00001 is 'created " in note
    assert "(1 of 15 compared products differ)" in note
    assert "a higher version" in note


def with_other_names(folder: Path, beside: Path) -> Path:
    """The same folder with other names and addresses; what else it tells of a customer is the same."""
    shutil.copytree(folder, beside)
    edit(beside, "customers.csv", r"(\nC\d+),[^,]*,[^,]*", r"\1,Somebody Else,else@example.org")
    return beside


def test_known_customers_of_other_names_are_another_data_set(deployed: Settings, tmp_path: Path) -> None:
    first = own(tmp_path / "one")
    other = with_other_names(first, tmp_path / "two")
    admit(deployed, first)
    with pytest.raises(wh.SharedIdentifiersError) as refused:
        admit(deployed, other)
    said = str(refused.value)
    assert re.search(r"customer C0000001 is 'signed up .*, name and e-mail of hash [0-9a-f]{16}' there", said)
    assert "(40 of 40 compared customers differ)" in said
    kept = str(query(deployed, "SELECT DISTINCT DETAIL FROM OPS.DATA_SET_RECORDS"))
    for row in csv.DictReader((first / "customers.csv").open(encoding="utf-8")):
        assert row["name"] not in kept
        assert row["email"] not in kept

    send(deployed, first)
    with pytest.raises(wh.SharedIdentifiersError, match="compared customers differ"):
        admit(deployed.model_copy(update={"snowflake_database": f"{deployed.snowflake_database}_NONE"}), other)
    load(deployed)
    for table in ("OPS.DATA_SETS", "OPS.DATA_SET_RECORDS"):
        query(deployed, f"DELETE FROM {table}")
    with pytest.raises(wh.SharedIdentifiersError, match="compared customers differ"):
        admit(deployed, other)
    assert admit(deployed, first) == ()


def test_a_warehouse_with_records_of_before_the_hashes_takes_the_same_folder_and_refuses_another(
    deployed: Settings, tmp_path: Path
) -> None:
    first = own(tmp_path / "one")
    other = with_other_names(first, tmp_path / "two")
    admit(deployed, first)
    send(deployed, first)
    load(deployed)
    query(
        deployed, "UPDATE OPS.DATA_SET_RECORDS SET DETAIL = REGEXP_REPLACE(DETAIL, ', name and e-mail of hash .*', '')"
    )
    assert query(deployed, "SELECT COUNT(*) FROM OPS.DATA_SET_RECORDS WHERE DETAIL LIKE '%hash%'") == [(0,)]
    assert admit(deployed, first) == ()
    grown = shutil.copytree(first, tmp_path / "grown")
    edit(grown, "customers.csv", r"\nC0000001,", r"\nC7700001,New Customer,new@example.org,,Ulm,DE,de_DE,ads,new,"
         r"2024-12-01T00:00:00.000Z,1\nC0000001,")  # fmt: skip
    assert admit(deployed, grown) == ()
    with pytest.raises(wh.SharedIdentifiersError, match="compared customers differ"):
        admit(deployed, other)


def test_a_warehouse_that_knows_no_data_set_is_compared_and_adopted(deployed: Settings, tmp_path: Path) -> None:
    first = made(tmp_path / "one")
    send(deployed, first)
    load(deployed)
    tables = ("OPS.DATA_SETS", "OPS.DATA_SET_RECORDS", "OPS.DATA_SETS_LOCK")
    with pytest.raises(wh.SharedIdentifiersError, match="that was sent before they were registered"):
        admit(deployed, made(tmp_path / "two", seed=7))
    for table in tables:
        query(deployed, f"ALTER TABLE {table} RENAME TO {table}_X")
    (note,) = admit(deployed, first)
    assert "not registered there: `dropship deploy`" in note
    with pytest.raises(wh.SharedIdentifiersError, match="compared orders differ"):
        admit(deployed, tmp_path / "two")
    for table in tables:
        query(deployed, f"ALTER TABLE {table}_X RENAME TO {table}")
    assert admit(deployed, first) == ()
    assert "seed 3" in str(query(deployed, "SELECT LABEL FROM OPS.DATA_SETS"))
    query(deployed, "DELETE FROM OPS.DATA_SET_RECORDS")
    with pytest.raises(wh.SharedIdentifiersError, match="with the generated shop of seed 3"):
        admit(deployed, tmp_path / "two")


def test_what_is_allowed_all_the_same_is_rejected_as_conflicts(deployed: Settings, tmp_path: Path) -> None:
    first, other = made(tmp_path / "one"), made(tmp_path / "two", seed=7)
    admit(deployed, first)
    send(deployed, first)
    load(deployed)
    held = [
        "SELECT * FROM PROD.CUSTOMERS ORDER BY 1",
        "SELECT * FROM PROD.PRODUCTS ORDER BY 1",
        "SELECT * FROM PROD.ORDER_LINES ORDER BY 1, 2",
        "SELECT ORDER_ID, CUSTOMER_ID, PLACED_AT, TOTAL FROM PROD.ORDERS ORDER BY 1",
    ]
    before = [query(deployed, sql) for sql in held]
    admit(deployed, other, allow_shared=True)
    send(deployed, other)
    load(deployed)
    assert [query(deployed, sql) for sql in held] == before
    conflicts = "SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS WHERE REJECT_REASON LIKE 'conflict: version 1 %'"
    assert query(deployed, conflicts) == [(40 + 15 + 60,)]


def test_topics_that_hold_another_data_set_are_found_without_a_warehouse(platform: Settings, tmp_path: Path) -> None:
    platform = platform.model_copy(update={"snowflake_database": f"{platform.snowflake_database}_NONE"})
    first, other = made(tmp_path / "one"), made(tmp_path / "two", seed=7)
    assert admit(platform, first) == ()
    send(platform, first)
    assert admit(platform, first) == ()
    with pytest.raises(wh.SharedIdentifiersError, match=f"of which the topics {platform.topics[0]}, "):
        admit(platform, other)
    (port,) = free_ports(1)
    away = Settings.load(
        SNOWFLAKE_ACCOUNT="nowhere",
        SNOWFLAKE_USER="nobody",
        SNOWFLAKE_PASSWORD="none",
        SNOWFLAKE_HOST="127.0.0.1",
        SNOWFLAKE_PORT=port,
        SNOWFLAKE_PROTOCOL="http",
        KAFKA_BOOTSTRAP_SERVERS=kafka_endpoint(platform).bootstrap_servers,
    )
    (note,) = admit(away, first)
    assert "was not checked, only with the first messages of the topics" in note
    assert str(port) in note
    with pytest.raises(wh.SharedIdentifiersError) as refused:
        admit(away, other)
    assert "DROPSHIP_HOME" not in str(refused.value), "another home has the same account and the same topics"


def test_of_two_producers_at_once_one_is_refused(deployed: Settings, tmp_path: Path) -> None:
    sets = [shop.data_set(made(tmp_path / str(seed), seed=seed)) for seed in (3, 7)]
    begin, outcomes = threading.Barrier(len(sets)), []

    def produce(data_set: shop.DataSet) -> None:
        begin.wait()
        try:
            wh.admit(deployed, data_set)
            outcomes.append("admitted")
        except wh.SharedIdentifiersError:
            outcomes.append("refused")

    threads = [threading.Thread(target=produce, args=(each,)) for each in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["admitted", "refused"]
    assert len(query(deployed, "SELECT 1 FROM OPS.DATA_SETS")) == 1


def test_a_stream_that_begins_anew_may_only_repeat_its_orders(deployed: Settings, tmp_path: Path) -> None:
    folder = made(tmp_path / "shop")
    data_set = shop.data_set(folder)
    wh.admit(deployed, data_set)
    following = shop.stream_of(data_set)

    def opening(rate: float) -> list[shop.Record]:
        return stream.opening(folder, rate=rate, state=tmp_path / "live.state")

    assert len(opening(50)) >= 20
    assert wh.admit(deployed, following, opening=opening(50)).notes == ()
    assert wh.admit(deployed, following, opening=opening(50)).notes == ()
    assert wh.admit(deployed, following).notes == ()
    with pytest.raises(wh.SharedIdentifiersError, match="begun anew without the state of an earlier run"):
        wh.admit(deployed, following, opening=opening(33))
    assert query(deployed, "SELECT KIND, LABEL FROM OPS.DATA_SETS") == [("generated", data_set.label)]
    other = shop.stream_of(shop.data_set(made(tmp_path / "other", seed=7)))
    with pytest.raises(wh.SharedIdentifiersError, match="the stream of the generated shop of seed 7"):
        wh.admit(deployed, other, opening=())


def test_the_sample_takes_the_same_identifiers_from_folders_that_share_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropship_dagster.shop.datasets.SAMPLED", 30)
    few = shop.data_set(made(tmp_path / "few", orders=100))
    many = shop.data_set(made(tmp_path / "many", orders=200))
    ids = [{record.id for record in each.sample if record.entity == "orders"} for each in (few, many)]
    assert [len(each) for each in ids] == [30, 30]
    assert len(ids[0] & ids[1]) >= 8, "about half of those of the larger one are in the smaller one"
    assert replace(few, sample=()).fingerprint != many.fingerprint
    (tmp_path / "few" / "manifest.json").unlink()
    assert shop.data_set(tmp_path / "few").fingerprint == few.fingerprint
