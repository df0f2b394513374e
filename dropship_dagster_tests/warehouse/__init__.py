"""Tests of the warehouse, against the local broker and the local warehouse."""
