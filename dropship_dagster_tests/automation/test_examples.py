"""The configuration files of docs/examples fit the jobs they are for."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster import validate_run_config

from dropship_dagster.definitions import defs
from dropship_dagster.settings import PROJECT_ROOT

EXAMPLES = sorted((PROJECT_ROOT / "docs" / "examples").glob("*.yaml"))
JOBS = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_its_job(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    command = re.search(r"-j (\w+) -c docs/examples/([\w.]+)", text)
    assert command
    assert command.group(2) == path.name
    validate_run_config(defs.resolve_job_def(command.group(1)), yaml.safe_load(text))


def test_every_job_that_can_be_configured_has_an_example() -> None:
    assert JOBS - {"validate"} <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize(
    ("job", "step", "config"),
    [
        ("generate_seeds", "seeds", {"orders": "many"}),
        ("replay_seeds", "topics", {"rate": "fast"}),
        ("load_topics", "raw", {"max_eventz": 1}),
        ("refresh_prod", "refresh", {"timeout_seconds": "soon"}),
    ],
)
def test_wrong_configuration_is_refused_before_anything_runs(job: str, step: str, config: dict[str, object]) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        validate_run_config(defs.resolve_job_def(job), {"ops": {step: {"config": config}}})
