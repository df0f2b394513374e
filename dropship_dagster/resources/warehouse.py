"""The Snowflake account, or what stands in for it, that the settings name, as a resource."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from dropship_dagster.endpoints import WarehouseEndpoint, warehouse_endpoint
from dropship_dagster.resources.failures import user_errors
from dropship_dagster.settings import Settings

if TYPE_CHECKING:
    from dagster_snowflake import SnowflakeResource
    from snowflake.connector import SnowflakeConnection


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the warehouse is. Account and credentials come from SNOWFLAKE_* (see `.env.example`), never from here.

    The local warehouse speaks Snowflake's protocol, so that one SnowflakeResource serves both.
    """

    login_timeout: int = Field(default=60, description="Seconds to wait for a log-in before the step fails.")

    def endpoint(self) -> WarehouseEndpoint:
        """Find the warehouse, starting the local one when the settings name no account.

        Raises:
            dagster.Failure: a setting cannot be used, or the local warehouse cannot start.
        """
        with user_errors():
            return warehouse_endpoint(Settings.load())

    def snowflake(self, query_tag: str) -> SnowflakeResource:
        """The SnowflakeResource of dagster-snowflake for this warehouse; its queries carry the tag.

        dagster-snowflake is imported here and not at the top: it brings Snowpark with it, which costs four
        seconds that neither loading the definitions nor a step without checks has to pay.
        """
        from dropship_dagster.resources.snowflake import snowflake_resource

        return snowflake_resource(self.endpoint(), query_tag=query_tag, login_timeout=self.login_timeout)

    @contextmanager
    def connect(self, query_tag: str) -> Iterator[SnowflakeConnection]:
        """A connection in the project's database, closed also after an error.

        Args:
            query_tag: shows in QUERY_HISTORY; see `query_tag`.
        """
        with self.snowflake(query_tag).get_connection() as connection:
            try:
                yield connection
            finally:
                connection.close()  # dagster-snowflake leaves it open when the block raises
