"""Sensors: what makes runs start by themselves, and what tells of them.

A tick compares and asks for a run; it never produces, consumes or computes. Called by definitions.
"""
