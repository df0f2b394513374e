"""Tokens, names and identifiers of Snowflake's SQL. Every other part calls it."""
