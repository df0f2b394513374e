"""Every check of the project."""

from dropship_dagster.checks.exactly_once import exactly_once
from dropship_dagster.checks.expectations.checks import EXPECTATION_CHECKS
from dropship_dagster.checks.prod import prod_checks
from dropship_dagster.checks.seeds import seed_checks
from dropship_dagster.checks.task_health import task_health
from dropship_dagster.checks.topics import topic_checks

CHECKS = (seed_checks, topic_checks, exactly_once, task_health, prod_checks, *EXPECTATION_CHECKS)
