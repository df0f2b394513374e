"""Tests of dropship_dagster.resources."""
