"""Makes the fixtures of the Dagster tests known here."""

from dropship_dagster_tests.resources.fixtures import own_folders, platform

__all__ = ["own_folders", "platform"]
