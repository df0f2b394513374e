"""Tests of dropship_dagster.automation."""
