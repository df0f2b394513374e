"""Stand-ins for a laptop: a Kafka-protocol broker and a Snowflake-wire server, and the supervisor that starts them.

Knows nothing of the rest of the package. Only `dropship_dagster.endpoints` and the `dropship services` command call it.
"""
