"""`dropship doctor`: is everything in place, and if not, what is the fix? This machine, the services, the account."""

from dropship_dagster.cli.doctor.command import doctor

__all__ = ["doctor"]
