"""Tests of the embedded Kafka broker: real clients against real processes."""
