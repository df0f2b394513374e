"""Where Kafka and the warehouse are, decided from the settings: the one place that knows the local services.

An endpoint is a plain description of how to connect. Asking for one starts the local service when the settings name
no real one; everything above connects in the same way to either.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dropship_dagster.environment import LOOKS_LIKE, nearest
from dropship_dagster.logs import redacted
from dropship_dagster.settings import Settings, SettingsError, is_secret, variable_of
from dropship_dagster.supervisor import Supervisor
from local_service.service import ServiceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["KafkaEndpoint", "ServiceError", "WarehouseEndpoint", "kafka_endpoint", "supervisor", "warehouse_endpoint"]


LOCAL_SCHEDULE = "1 MINUTE"
ACCOUNT_SCHEDULE = "15 MINUTES"
"""A warehouse suspends itself after a minute without work, so a graph that runs each minute keeps it running all day:
24 credits, where one each quarter of an hour takes about 2 (`dropship cost`)."""


@dataclass(frozen=True)
class KafkaEndpoint:
    """A Kafka cluster: the client configuration every producer, consumer and admin client begins with."""

    bootstrap_servers: str
    client_config: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class WarehouseEndpoint:
    """A Snowflake account or the local warehouse.

    `connect_args` are keyword arguments of `snowflake.connector.connect`; database and warehouse are not among them,
    because both must be reachable before the deployment has made either. `is_account`: not the local warehouse, so
    its deployment is somebody's decision and its minutes cost money. `refresh_schedule`: the graph's, when deployed.
    """

    account: str
    database: str
    warehouse: str
    role: str | None
    connect_args: Mapping[str, Any] = field(repr=False)
    is_account: bool = False
    refresh_schedule: str = LOCAL_SCHEDULE


def kafka_endpoint(settings: Settings) -> KafkaEndpoint:
    """The configured cluster, or the local broker, started if it does not run.

    Raises:
        ServiceError: the local broker cannot be started.
        SettingsError: librdkafka does not know a setting, or not its value; names the variable.
    """
    _check_librdkafka(frozenset(settings.kafka_extra.items()))
    servers = settings.kafka_bootstrap_servers or supervisor(settings).ensure("kafka")["bootstrap_servers"]
    return KafkaEndpoint(servers, {**settings.kafka_extra, "bootstrap.servers": servers})


def warehouse_endpoint(settings: Settings) -> WarehouseEndpoint:
    """The configured account, or the local warehouse, started if it does not run.

    Raises:
        ServiceError: the local warehouse cannot be started.
        SettingsError: the private key cannot be used.
    """
    args = _account(settings) if settings.snowflake_account else _local(settings)
    if settings.snowflake_role:
        args["role"] = settings.snowflake_role
    return WarehouseEndpoint(
        account=args["account"],
        database=settings.snowflake_database,
        warehouse=settings.snowflake_warehouse,
        role=settings.snowflake_role,
        connect_args=args,
        is_account=bool(settings.snowflake_account),
        refresh_schedule=settings.refresh_schedule
        or (ACCOUNT_SCHEDULE if settings.snowflake_account else LOCAL_SCHEDULE),
    )


def supervisor(settings: Settings) -> Supervisor:
    """The local services of this home folder, which is closed to others if an earlier version left it open."""
    settings.keep_private()
    return Supervisor(settings.home, settings.allowed_hosts)


# Those that clusters of others need; librdkafka does not list its settings to a program.
_COMMON = (
    "bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password", "ssl.ca.location",
    "ssl.certificate.location", "ssl.key.location", "ssl.key.password", "client.id", "client.dns.lookup", "linger.ms",
    "batch.size", "compression.type", "debug",
)  # fmt: skip
_PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_INCOMPLETE = "Failed to create"
"""How librdkafka begins what it says of settings that are right one by one, but not together."""


@lru_cache
def _check_librdkafka(given: frozenset[tuple[str, str]]) -> None:
    """Try each setting alone, so that the variable can be named: librdkafka names settings, some by another name."""
    if not given:
        return
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    for name, value in sorted(given):
        variable = variable_of(name)
        if name == "security.protocol":  # alone it would ask for a key or a password
            if value.lower() not in _PROTOCOLS:
                raise SettingsError(f"{variable}: {value!r} is no protocol: use one of {', '.join(_PROTOCOLS)}.")
            continue
        try:
            AdminClient({"log_level": "2", name: value})
        except KafkaException as error:
            sentence = redacted(error.args[0].str().strip(), [value] if is_secret(name) else [])
            if sentence.startswith(_INCOMPLETE):
                continue
            if not sentence.startswith("No such"):
                raise SettingsError(f"{variable} cannot be used: {sentence}.") from None
            meant = nearest(variable, [variable_of(known) for known in _COMMON], LOOKS_LIKE)
            raise SettingsError(
                f"{variable} sets {name!r}, and librdkafka has no setting of that name: "
                f"{f'did you mean {meant}? Else ' if meant else ''}unset the variable, or correct its name "
                "(librdkafka's CONFIGURATION.md lists them: sasl.mechanism is KAFKA_SASL_MECHANISM)."
            ) from None


def _local(settings: Settings) -> dict[str, Any]:
    state = supervisor(settings).ensure("snowflake")
    return {key: state[key] for key in ("account", "user", "password", "host", "port", "protocol")}


def _account(settings: Settings) -> dict[str, Any]:
    """Key pair first, then a programmatic access token, then a password.

    Source: docs.snowflake.com/en/developer-guide/python-connector/python-connector-connect
    """
    args: dict[str, Any] = {"account": settings.snowflake_account, "user": settings.snowflake_user}
    if settings.snowflake_private_key_path:
        _check_key_file(settings)
        args["private_key_file"] = str(settings.snowflake_private_key_path)
        if settings.snowflake_private_key_passphrase:
            args["private_key_file_pwd"] = settings.snowflake_private_key_passphrase.get_secret_value()
    elif settings.snowflake_private_key:
        args["private_key"] = _der(settings)
    elif settings.snowflake_token:
        args["authenticator"] = "PROGRAMMATIC_ACCESS_TOKEN"
        args["token"] = settings.snowflake_token.get_secret_value()
    elif settings.snowflake_password:
        args["password"] = settings.snowflake_password.get_secret_value()
    for key in ("host", "port", "protocol"):
        value = getattr(settings, f"snowflake_{key}")
        if value is not None:
            args[key] = value
    return args


def _check_key_file(settings: Settings) -> None:
    """See that the connector will be able to use the file: it would say so in the words of a library, or try again."""
    path = settings.snowflake_private_key_path
    try:
        _load(path.read_bytes() if path else b"", settings)
    except OSError as error:
        raise SettingsError(
            f"SNOWFLAKE_PRIVATE_KEY_PATH: {path} cannot be read ({error.strerror}): set it to the key's file."
        ) from None
    except (ValueError, TypeError):
        raise SettingsError(f"{path} is not {_WANTED}") from None


_WANTED = (
    "a private key in PEM that SNOWFLAKE_PRIVATE_KEY_PASSPHRASE opens: docs/snowflake.md says how one is made; set the "
    "passphrase when, and only when, the key is encrypted."
)


def _load(pem: bytes, settings: Settings) -> PrivateKeyTypes:
    """The key; ValueError or TypeError when it is none, or the passphrase is missing, wrong or not needed."""
    from cryptography.hazmat.primitives import serialization

    passphrase = settings.snowflake_private_key_passphrase
    return serialization.load_pem_private_key(pem, passphrase.get_secret_value().encode() if passphrase else None)


def _der(settings: Settings) -> bytes:
    """SNOWFLAKE_PRIVATE_KEY (PEM, or base64 of it on one line, as containers want it) as the connector takes keys."""
    from cryptography.hazmat.primitives import serialization

    given = settings.snowflake_private_key
    text = given.get_secret_value() if given else ""
    try:
        pem = text.encode() if "-----BEGIN" in text else base64.b64decode(text, validate=True)
        key = _load(pem, settings)
    except (ValueError, TypeError, binascii.Error):
        # Without the cause: it could hold a part of the key.
        raise SettingsError(
            f"SNOWFLAKE_PRIVATE_KEY is not {_WANTED} On one line it is the output of `base64 -w0 rsa_key.p8`."
        ) from None
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
