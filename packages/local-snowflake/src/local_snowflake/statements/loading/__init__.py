"""Stages, their files, and COPY INTO. `dispatch` and `introspection` call it."""
