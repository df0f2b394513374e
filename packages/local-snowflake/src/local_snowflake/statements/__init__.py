"""What a statement does, by its kind. `execution.execute` is the way in.

`protocol` and `tasks` call it.
"""
