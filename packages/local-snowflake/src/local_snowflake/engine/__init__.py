"""The data and its definitions: DuckDB's file, the catalogue, streams and their logs, tasks, locks, plans.

Knows nothing of sessions or of statements; `session`, `statements` and `tasks` call it.
"""
