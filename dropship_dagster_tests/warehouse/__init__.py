"""Tests of the warehouse, against the embedded broker and the embedded warehouse."""
