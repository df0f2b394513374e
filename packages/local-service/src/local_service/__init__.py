"""What a server needs that runs on this machine for its user: a folder of its own, durable files, known callers.

The lock of a data folder and the state file (`service`), files replaced durably and locked (`files`), for their owner
alone (`privacy`), and the check of who calls an HTTP server (`hosts`). Knows neither Kafka nor Snowflake.
"""

__version__ = "1.1.0"
"""Read from here by pyproject.toml."""
