"""The Kafka cluster that the settings name, as a resource."""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from dropship_dagster.endpoints import KafkaEndpoint, kafka_endpoint
from dropship_dagster.resources.failures import user_errors
from dropship_dagster.settings import Settings


class KafkaResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where Kafka is. Host, security and credentials come from KAFKA_* (see `.env.example`), never from here."""

    client_id: str = Field(
        default="dropship-dagster", description="The client.id that the broker's logs and quotas show."
    )

    def endpoint(self) -> KafkaEndpoint:
        """Find the cluster, starting the local broker when the settings name none.

        Raises:
            dagster.Failure: a setting cannot be used, or the local broker cannot start.
        """
        with user_errors():
            return kafka_endpoint(Settings.load())

    def client_config(self) -> dict[str, str]:
        """The configuration with which every librdkafka client begins."""
        return {**self.endpoint().client_config, "client.id": self.client_id}
