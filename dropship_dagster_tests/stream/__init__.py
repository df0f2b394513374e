"""Tests of the stream, against the local broker."""
