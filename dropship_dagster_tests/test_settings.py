from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings, SettingsError

CANARY = "canary-7f3a"


def test_the_default_needs_no_variable_and_selects_the_embedded_services() -> None:
    settings = Settings.load()
    assert (settings.customers, settings.products, settings.orders, settings.seed) == (1000, 200, 5000, 42)
    assert settings.kafka_bootstrap_servers == ""
    assert settings.snowflake_account == ""
    assert settings.home == PROJECT_ROOT / ".dropship"


def test_relative_folders_start_at_the_checkout_wherever_the_command_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPSHIP_DATA_DIR", "elsewhere")
    assert Settings.load().data_dir == PROJECT_ROOT / "elsewhere"


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("DROPSHIP_ORDERS=7\nDROPSHIP_SEED=7\nKAFKA_SASL_MECHANISM=PLAIN\n")
    monkeypatch.setenv("DROPSHIP_ENV_FILE", str(env_file))
    monkeypatch.setenv("DROPSHIP_ORDERS", "8")
    settings = Settings.load()
    assert (settings.orders, settings.seed) == (8, 7)
    assert settings.kafka_extra == {"sasl.mechanism": "PLAIN"}


def test_any_kafka_variable_becomes_a_setting_of_librdkafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker.example:9092")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", CANARY)
    endpoint = kafka_endpoint(Settings.load())
    assert endpoint.client_config == {
        "bootstrap.servers": "broker.example:9092",
        "security.protocol": "SASL_SSL",
        "sasl.password": CANARY,
    }
    assert CANARY not in repr(endpoint)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DROPSHIP_ORDERS", "many", ["DROPSHIP_ORDERS", "integer"]),
        ("DROPSHIP_ORDERS", "0", ["DROPSHIP_ORDERS", "greater than or equal to 1"]),
        ("SNOWFLAKE_DATABASE", 'x"; DROP DATABASE y', ["SNOWFLAKE_DATABASE", "identifier"]),
        ("DROPSHIP_TOPIC_CUSTOMERS", "a/b", ["DROPSHIP_TOPIC_CUSTOMERS", "topic name"]),
        ("SNOWFLAKE_ACCOUNT", "org-account", ["SNOWFLAKE_USER"]),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: list[str]
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert all(word in str(error.value) for word in words)


def test_an_account_without_a_credential_is_refused_and_says_which_are_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    with pytest.raises(SettingsError, match="SNOWFLAKE_PRIVATE_KEY_PATH"):
        Settings.load()


def pem_of(key: rsa.RSAPrivateKey, passphrase: str = "") -> bytes:
    """The key as `openssl pkcs8` writes it."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def test_a_key_pair_is_preferred_to_a_token_and_a_token_to_a_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", CANARY)
    assert warehouse_endpoint(Settings.load()).connect_args["password"] == CANARY
    monkeypatch.setenv("SNOWFLAKE_TOKEN", "token")
    with_token = warehouse_endpoint(Settings.load()).connect_args
    assert with_token["authenticator"] == "PROGRAMMATIC_ACCESS_TOKEN"
    assert "password" not in with_token
    file = tmp_path / "key.p8"
    file.write_bytes(pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PATH", str(file))
    with_key = warehouse_endpoint(Settings.load()).connect_args
    assert with_key["private_key_file"] == str(file)
    assert {"password", "token"}.isdisjoint(with_key)


def test_no_secret_shows_in_a_repr_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", CANARY)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", CANARY)
    settings = Settings.load()
    assert CANARY not in repr(settings)
    assert CANARY not in repr(warehouse_endpoint(settings))
    monkeypatch.setenv("DROPSHIP_ORDERS", CANARY)
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert CANARY not in str(error.value)


@pytest.mark.parametrize(("written", "passphrase"), [("none", ""), ("garbage", ""), ("encrypted", ""), ("plain", "x")])
def test_a_key_file_that_cannot_be_used_is_named_before_anything_connects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, passphrase: str
) -> None:
    file = tmp_path / "key.p8"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    content = {"garbage": b"no key", "encrypted": pem_of(key, CANARY), "plain": pem_of(key)}
    if written != "none":
        file.write_bytes(content[written])
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PATH", str(file))
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", passphrase)
    with pytest.raises(SettingsError, match="SNOWFLAKE_PRIVATE_KEY_PA") as error:
        warehouse_endpoint(Settings.load())
    assert str(file) in str(error.value)


@pytest.mark.parametrize("form", ["pem", "base64"])
def test_a_private_key_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = pem_of(key, CANARY)
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY", pem.decode() if form == "pem" else base64.b64encode(pem).decode())
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", CANARY)
    args = warehouse_endpoint(Settings.load()).connect_args
    assert serialization.load_der_private_key(args["private_key"], None).private_numbers() == key.private_numbers()
    assert len(Settings.load().secrets) == 2


def test_a_private_key_that_is_none_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "org-account")
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY", CANARY)
    with pytest.raises(SettingsError, match=r"base64 -w0 rsa_key\.p8") as caught:
        warehouse_endpoint(Settings.load())
    assert CANARY not in str(caught.value)
