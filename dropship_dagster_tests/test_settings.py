from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dropship_dagster import environment
from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings, SettingsError, known_variables

CANARY = "canary-7f3a"


def test_the_default_needs_no_variable_and_selects_the_local_services() -> None:
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


NAMED_FILE = "DROPSHIP_ORDERS=7\nSNOWFLAKE_ACCOUNT=org-account\nSNOWFLAKE_USER=loader\nSNOWFLAKE_PASSWORD=çanary\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (NAMED_FILE.encode("utf-16"), "UTF-8"),
        (NAMED_FILE.encode("utf-16-le"), "UTF-8"),
        (NAMED_FILE.encode("latin-1"), "UTF-8"),
        (f"DROPSHIP_ORDERS=7\n\n# a comment\nSNOWFLAKE_PASSWORD {CANARY}\n".encode(), "line 4"),
        (f'DROPSHIP_ORDERS=7\nSNOWFLAKE_PASSWORD="{CANARY}\nX=1\n'.encode(), "line 2"),
        (b"SNOWFLAKE_ACCOUNT\n", "line 1"),
        (None, "not there"),
        ("folder", "folder"),
    ],
    ids=["UTF-16", "UTF-16 without a mark", "latin-1", "no assignment", "open quote", "bare name", "missing", "folder"],
)
def test_a_file_of_settings_that_cannot_be_used_is_named_and_nothing_falls_back_to_the_local_services(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | str | None, words: str
) -> None:
    file = tmp_path / "account.env"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    monkeypatch.setenv("DROPSHIP_ENV_FILE", str(file))
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(file) in str(caught.value)
    assert words in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str, end: str
) -> None:
    file = tmp_path / "account.env"
    file.write_bytes(f'{NAMED_FILE}export DROPSHIP_SEED="7"  # seven\n'.replace("\n", end).encode(encoding))
    monkeypatch.setenv("DROPSHIP_ENV_FILE", str(file))
    settings = Settings.load()
    assert (settings.orders, settings.seed, settings.snowflake_account) == (7, 7, "org-account")
    assert settings.secrets == ("çanary",)


def test_a_plain_env_file_in_utf16_is_refused_too_and_without_one_the_defaults_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DROPSHIP_ENV_FILE")
    monkeypatch.setattr(environment, "PROJECT_ROOT", tmp_path)
    assert Settings.load().orders == 5000
    (tmp_path / ".env").write_bytes(NAMED_FILE.encode("utf-16"))
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        Settings.load()


SERVICE_LINKS = {
    "KAFKA_SERVICE_HOST": "10.0.0.1",
    "KAFKA_SERVICE_PORT": "9092",
    "KAFKA_SERVICE_PORT_TCP_CLIENT": "9092",
    "KAFKA_PORT": "tcp://10.0.0.1:9092",
    "KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092",
    "KAFKA_PORT_9092_TCP_PROTO": "tcp",
    "KAFKA_PORT_9092_TCP_PORT": "9092",
    "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
    "KAFKA_CONTROLLER_PORT": "tcp://10.0.0.2:9093",
    "SNOWFLAKE_PORT": "tcp://10.0.0.3:443",
    "SNOWFLAKE_SERVICE_HOST": "10.0.0.3",
    "DROPSHIP_DAGSTER_PORT": "tcp://10.0.0.4:3000",
    "DROPSHIP_DAGSTER_SERVICE_PORT": "3000",
}
"""As Kubernetes sets them for services named kafka, kafka-controller, snowflake and dropship-dagster."""


def run_command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropship_dagster.cli", *arguments],
        env={**os.environ, **variables}, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_kubernetes_says_of_services_is_ignored_with_one_warning_that_names_it(tmp_path: Path, form: str) -> None:
    ended = run_command(
        "services", "status", "--json", DROPSHIP_HOME=str(tmp_path), DROPSHIP_LOG_FORMAT=form, **SERVICE_LINKS
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["kafka"]["running"] is False
    (warning,) = ended.stderr.splitlines()
    if form == "json":
        warning = json.loads(warning)["message"]
    assert all(name in warning for name in SERVICE_LINKS)
    assert "enableServiceLinks" in warning


def test_a_service_link_is_no_setting_of_librdkafka_and_no_port_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SERVICE_LINKS, "KAFKA_SASL_MECHANISM": "PLAIN"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.kafka_extra == {"sasl.mechanism": "PLAIN"}
    assert (settings.snowflake_port, settings.dagster_port) == (None, 3000)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("KAFKA_PORT", "9092", "unset"),
        ("KAFKA_BOOTSTRAP_SERVER", "broker.example:9092", "KAFKA_BOOTSTRAP_SERVERS?"),
        ("KAFKA_SASL_MECHANISMX", "PLAIN", "KAFKA_SASL_MECHANISM?"),
        ("KAFKA_ACKS", "some", "Invalid value"),
        ("KAFKA_LINGER_MS", "-1", "allowed range"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "sasl_ssl"),
    ],
)
def test_a_variable_that_librdkafka_cannot_use_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker.example:9092")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "loader")
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable} |^{variable}:") as caught:
        kafka_endpoint(Settings.load())
    assert words in str(caught.value)


def test_settings_that_are_right_only_together_are_not_refused_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "loader",
        "KAFKA_SASL_PASSWORD": CANARY,
        "KAFKA_LINGER_MS": "400000",  # more than message.timeout.ms unless that is raised as well
        "KAFKA_MESSAGE_TIMEOUT_MS": "500000",
        "KAFKA_LOG_LEVEL": "7",
        "KAFKA_SESSION_TIMEOUT_MS": "60000",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    config = kafka_endpoint(Settings.load()).client_config
    assert config["log_level"] == "7"
    assert config["session.timeout.ms"] == "60000"
    assert len(config) == len(given)


@pytest.mark.parametrize(
    ("variable", "other", "value"),
    [
        ("DROPSHIP_TOPIC_CUSTOMERS", "DROPSHIP_TOPIC_PRODUCTS", "products"),
        ("DROPSHIP_TOPIC_PRODUCTS", "DROPSHIP_TOPIC_ORDERS_EVENTS", "orders_events"),
        ("DROPSHIP_TOPIC_ORDERS_EVENTS", "DROPSHIP_TOPIC_CUSTOMERS", "customers"),
    ],
)
def test_two_topics_of_one_name_are_refused_naming_both(
    monkeypatch: pytest.MonkeyPatch, variable: str, other: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert all(word in str(caught.value) for word in (variable, other, repr(value)))


def test_a_misspelt_setting_is_warned_of_with_the_name_it_looks_like(tmp_path: Path) -> None:
    misspelt = {"DROPSHIP_ORDER": "7", "SNOWFLAKE_PASWORD": CANARY, "DROPSHIP_SOMETHING_ELSE_ALTOGETHER": "x"}
    others = {"SNOWFLAKE_SCHEMA": "PUBLIC", "SNOWFLAKE_HOME": "/x", "SNOWFLAKE_DEFAULT_CONNECTION_NAME": "dev"}
    ended = run_command("services", "status", DROPSHIP_HOME=str(tmp_path), **misspelt, **others)
    assert ended.returncode == 0
    assert len(ended.stderr.splitlines()) == len(misspelt), ended.stderr
    assert "DROPSHIP_ORDER is no setting; did you mean DROPSHIP_ORDERS?" in ended.stderr
    assert "did you mean SNOWFLAKE_PASSWORD?" in ended.stderr
    assert "DROPSHIP_SOMETHING_ELSE_ALTOGETHER is no setting; .env.example" in ended.stderr
    assert CANARY not in ended.stderr


def test_every_variable_of_the_example_is_known(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = (PROJECT_ROOT / ".env.example").read_text()
    for name in re.findall(r"^# ((?:DROPSHIP|KAFKA|SNOWFLAKE)_\w+)=", example, re.MULTILINE):
        monkeypatch.setenv(name, "1")
    environment.warn_once(environment.read(), known_variables())
    assert not caplog.records


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("15 minute", "15 MINUTES"),
        ("60 MINUTES", "60 MINUTES"),
        ("1 hours", "1 HOUR"),
        ("Triggered", "TRIGGERED"),
        ("USING CRON */15 8-20 * * 1-5 Europe/Paris", "USING CRON */15 8-20 * * 1-5 Europe/Paris"),
    ],
)
def test_a_schedule_of_the_graph_is_written_one_way(given: str, kept: str) -> None:
    assert Settings.load(DROPSHIP_REFRESH_SCHEDULE=given).refresh_schedule == kept


@pytest.mark.parametrize(
    "given", ["often", "5 SECONDS", "9 DAYS", "200 HOURS", "1 MINUTE' COMMENT = 'x", "USING CRON * * UTC"]
)
def test_what_is_no_schedule_is_named_with_what_is_one(given: str) -> None:
    with pytest.raises(SettingsError, match=r"DROPSHIP_REFRESH_SCHEDULE: .*(15 MINUTES|10 seconds)"):
        Settings.load(DROPSHIP_REFRESH_SCHEDULE=given)
