"""A server as a process of a test run, and connections to it by Snowflake's own connector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_service.testing import ServiceProcess

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


class SnowflakeProcess(ServiceProcess):
    """A server on a data folder."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        """
        Args:
            data_dir: the folder; its parent takes the log.
            arguments: those of `local-snowflake`, beside the folder.
        """
        super().__init__("local_snowflake", data_dir, *arguments)

    @property
    def login(self) -> dict[str, Any]:
        """What the connector's `connect` needs to reach it."""
        state = self.state
        return {key: state[key] for key in ("account", "user", "password", "host", "port", "protocol")}

    def connect(self, **options: Any) -> SnowflakeConnection:
        """A connection with the connector's own defaults; `options` are its own, such as `database`.

        Raises:
            ImportError: snowflake-connector-python is not installed.
        """
        import snowflake.connector

        return snowflake.connector.connect(**{**self.login, **options})
