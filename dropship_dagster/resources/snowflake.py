"""dagster-snowflake's SnowflakeResource, built from an endpoint. Importing this module takes seconds."""

from __future__ import annotations

import base64
from typing import Any

from dagster_snowflake import SnowflakeResource

from dropship_dagster.endpoints import WarehouseEndpoint

# Connector arguments that SnowflakeResource has a field for; the others pass through additional_..._args.
_FIELDS = {
    "account": "account",
    "user": "user",
    "password": "password",
    "role": "role",
    "authenticator": "authenticator",
    "private_key_file": "private_key_path",
    "private_key_file_pwd": "private_key_password",
}


def snowflake_resource(endpoint: WarehouseEndpoint, *, query_tag: str, login_timeout: int) -> SnowflakeResource:
    """A SnowflakeResource with the project's database and session settings: UTC, tagged queries."""
    fields: dict[str, Any] = {_FIELDS[name]: value for name, value in endpoint.connect_args.items() if name in _FIELDS}
    others = {name: value for name, value in endpoint.connect_args.items() if name not in _FIELDS}
    if key := others.pop("private_key", None):  # the connector takes DER, SnowflakeResource PEM
        fields["private_key"] = _pem(key)
    parameters = {**others.pop("session_parameters", {}), "QUERY_TAG": query_tag, "TIMEZONE": "UTC"}
    return SnowflakeResource(
        **fields,
        database=endpoint.database,
        warehouse=endpoint.warehouse,
        login_timeout=login_timeout,
        autocommit=True,
        additional_snowflake_connection_args={**others, "session_parameters": parameters},
    )


def _pem(der: bytes) -> str:
    return f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END PRIVATE KEY-----\n"
