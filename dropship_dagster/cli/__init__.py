"""The `dropship` command. Thin: each command parses, calls one function of a layer below, and prints what it returned.

Modules import what a command needs when it runs, so that `dropship --help` answers at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; user mistakes end in one sentence on stderr and exit code 1."""
    from dropship_dagster.cli.app import run

    run()
