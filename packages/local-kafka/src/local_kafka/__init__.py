"""A small Kafka-protocol broker for one machine: unmodified clients, a durable log, no replication and no security.

Started by `local-kafka` or `python -m local_kafka`. README.md says what it serves, what it refuses and what it
promises.
"""

__version__ = "1.1.0"
"""Read from here by pyproject.toml, `--version` and the state file."""
