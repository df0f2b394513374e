"""What the broker keeps: partition logs in files, everything else in one SQLite database.

State belongs to the event loop; files are touched by the disk workers alone. Called by `apis`, `groups` and `broker`.
"""
