"""A small Kafka-protocol broker for one machine: unmodified clients, a durable log, no replication and no security.

Started by `python -m dropship_dagster.embedded.kafka`; nothing else of the package imports it. docs/embedded-kafka.md
says what it serves, what it refuses and what it promises.
"""
