"""Tests of the embedded warehouse, through Snowflake's own connector."""
