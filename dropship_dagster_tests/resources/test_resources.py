"""Resources find their services when a step runs, close what they open, and speak in sentences."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources import KafkaResource, WarehouseResource, user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import CredentialsRefusedError, WarehouseUnavailableError


def test_the_warehouse_is_reached_through_dagster_snowflake_with_tag_and_utc(platform: Settings) -> None:
    from dagster_snowflake import SnowflakeResource

    resource = WarehouseResource()
    assert isinstance(resource.snowflake("a tag"), SnowflakeResource)
    with resource.connect("a tag") as connection:
        cursor = connection.cursor()
        assert cursor.execute("SELECT 1").fetchone() == (1,)
        shown = {row[0]: row[1] for row in cursor.execute("SHOW PARAMETERS IN SESSION").fetchall()}
    assert (shown["TIMEZONE"], shown["QUERY_TAG"]) == ("UTC", "a tag")


def test_the_connection_is_closed_after_an_error(platform: Settings) -> None:
    with pytest.raises(ZeroDivisionError), WarehouseResource().connect("test") as connection:
        raise ZeroDivisionError
    assert connection.is_closed()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"password": "p"}, {"password": "p"}),
        (
            {"private_key_file": "/keys/rsa.p8", "private_key_file_pwd": "secret"},
            {"private_key_path": "/keys/rsa.p8", "private_key_password": "secret"},
        ),
        (
            {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": "t"},
            {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN"},
        ),
    ],
)
def test_every_way_of_signing_in_reaches_the_snowflake_resource(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    from dropship_dagster.resources.snowflake import snowflake_resource

    endpoint = WarehouseEndpoint(
        "acct", "SHOP", "WH", "LOADER", {"account": "acct", "user": "u", "role": "LOADER", **given}
    )
    resource = snowflake_resource(endpoint, query_tag="run", login_timeout=5)
    for name, value in {**expected, "database": "SHOP", "warehouse": "WH", "role": "LOADER"}.items():
        assert getattr(resource, name) == value
    more = resource.additional_snowflake_connection_args or {}
    assert more["session_parameters"]["QUERY_TAG"] == "run"
    assert more.get("token") == given.get("token")


def test_kafka_is_found_by_the_settings(monkeypatch: pytest.MonkeyPatch, own_folders: Path) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker-1:9092")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    config = KafkaResource(client_id="nightly").client_config()
    assert config == {"bootstrap.servers": "broker-1:9092", "security.protocol": "SASL_SSL", "client.id": "nightly"}


def test_a_setting_that_cannot_be_used_is_a_failure_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    with pytest.raises(dg.Failure) as caught:
        WarehouseResource().endpoint()
    assert "SNOWFLAKE_USER" in str(caught.value.description)
    assert not caught.value.allow_retries


def test_a_service_that_cannot_start_is_a_failure_that_names_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    monkeypatch.setenv("DROPSHIP_HOME", str(tmp_path / "home"))
    with pytest.raises(dg.Failure) as caught:
        KafkaResource().endpoint()
    assert "DROPSHIP_HOME" in str(caught.value.description)


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (WarehouseUnavailableError("The warehouse does not answer."), True),
        (CredentialsRefusedError("The warehouse refused the user."), False),
        (DropshipError("The file is missing."), False),
        (KeyError("a defect"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, retried: bool) -> None:
    with pytest.raises(dg.Failure) as caught, user_errors():
        raise error
    assert caught.value.allow_retries is retried
    assert str(error) in str(caught.value.description)
    assert "dropship doctor" in str(caught.value.metadata["help"].value)


def test_a_failure_that_has_its_sentence_keeps_it() -> None:
    with pytest.raises(dg.Failure) as caught, user_errors(), user_errors():
        raise DropshipError("The file is missing.")
    assert caught.value.description == "The file is missing."
