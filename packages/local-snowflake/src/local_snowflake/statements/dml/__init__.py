"""INSERT, UPDATE, DELETE, TRUNCATE and MERGE. `dispatch`, `executemany` and `loading` call it."""
