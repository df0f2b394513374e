"""A Snowflake-wire server on DuckDB: the warehouse of a laptop, with streams and tasks.

Started as `python -m local_snowflake --data-dir D`; nothing imports it but its supervisor.
What it answers differently from Snowflake, and what it refuses, is listed in README.md.
"""

__version__ = "1.1.0"
"""Read from here by pyproject.toml, `--version` and the state file."""
