"""Every asset of the project."""

from dropship_dagster.assets.raw import raw
from dropship_dagster.assets.refresh import refresh
from dropship_dagster.assets.seeds import seeds
from dropship_dagster.assets.topics import topics
from dropship_dagster.assets.validation import validation

ASSETS = (seeds, topics, raw, refresh, validation)
