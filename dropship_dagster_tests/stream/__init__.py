"""Tests of the stream, against the embedded broker."""
