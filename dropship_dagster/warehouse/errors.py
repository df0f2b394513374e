"""What can go wrong between the platform and the warehouse, one class a remedy."""

from __future__ import annotations

from dropship_dagster.errors import DropshipError


class WarehouseError(DropshipError):
    """Anything the warehouse refused or could not do."""


class WarehouseUnavailableError(WarehouseError):
    """The warehouse cannot be reached or does not answer; trying again later may help."""


class CredentialsRefusedError(WarehouseError):
    """The warehouse refused user, password, key or account; trying again cannot help."""


class DeploymentError(WarehouseError):
    """A file of sql/ cannot be deployed."""


class NotDeployedError(WarehouseError):
    """The database has not been deployed yet."""


class SharedIdentifiersError(WarehouseError):
    """A data set uses identifiers of another one that the warehouse, or a topic, holds already."""


class RefreshError(WarehouseError):
    """A task of the graph failed, or the graph did not end in time."""


class LoadError(WarehouseError):
    """A batch cannot be loaded."""


class OffsetsMovedError(LoadError):
    """Another consumer loaded these partitions since this one read their offsets."""


class DataLostError(LoadError):
    """Kafka no longer has messages that were not loaded."""


class KafkaUnreachableError(LoadError):
    """The brokers do not answer; trying again later may help."""
