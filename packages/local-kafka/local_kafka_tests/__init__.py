"""Tests of the local broker: real clients against real processes."""
