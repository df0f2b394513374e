"""Tests of the command line and of the set-up."""
