"""Snowflake's connector protocol: HTTP and JSON in, JSON and Arrow out. It knows no SQL.

`__main__` serves it.
"""
