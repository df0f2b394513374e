"""Every SELECT the dashboard sends, one module a subject; the pages call these and hold no SQL.

Each function takes the `Store` and typed arguments, binds every value, and returns what the warehouse has aggregated:
its length depends on the length of the period or on a limit, never on the number of orders.
"""
