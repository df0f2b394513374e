"""The state of one client: context, parameters, transaction, bound values, kept results. It runs nothing.

`statements` changes it; `protocol` and `tasks` hold sessions.
"""
