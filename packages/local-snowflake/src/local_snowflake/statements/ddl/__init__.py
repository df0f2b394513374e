"""CREATE, ALTER, DROP, COMMENT and GRANT. `dispatch` calls it."""
