"""Tests of dropship_dagster.assets."""
