"""Tests of dropship_dagster.checks."""
