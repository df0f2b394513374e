"""Tests of the local warehouse, through Snowflake's own connector."""
