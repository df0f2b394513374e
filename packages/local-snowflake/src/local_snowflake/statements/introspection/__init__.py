"""SHOW, DESCRIBE and INFORMATION_SCHEMA. `dispatch` and `environment` call it."""
