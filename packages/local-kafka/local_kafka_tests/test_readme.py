"""README.md says what is true: its table of APIs, its clients, its example of a test."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from local_kafka.apis.table import APIS
from local_kafka_tests.process import running_broker
from local_service_tests.readme import code, run_example_test, section

README = Path(__file__).parents[1] / "README.md"
EXAMPLE = "127.0.0.1:9092"


def listed(text: str) -> list[int]:
    """`8, 9` and `11 to 14` as numbers."""
    found: list[int] = []
    for part in text.split(", "):
        first, _, last = part.partition(" to ")
        found += range(int(first), int(last or first) + 1)
    return found


def test_the_table_has_every_api_that_is_served_with_its_versions() -> None:
    told = {}
    rows = re.findall(r"^\| (\w[\w, ]*) \| ([\d, to]+) \| ([\d, to]+) \|", README.read_text(), re.MULTILINE)
    for names, keys, versions in rows:
        for key, name, span in zip(listed(keys), names.split(", "), versions.split(", "), strict=True):
            low, _, high = span.partition(" to ")
            told[key] = (name, int(low), int(high or low))
    assert told == {api.key: (api.name, api.min_version, api.max_version) for api in APIS.values()}


def test_its_clients_connect_as_it_says(tmp_path: Path) -> None:
    connect = section(README, "Connect")
    with running_broker(tmp_path / "kafka", "--auto-create-topics") as broker:
        for snippet in code(connect, "python"):
            exec(snippet.replace(EXAMPLE, broker.bootstrap), {})


def test_kcat_connects_as_it_says(tmp_path: Path) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed (apt-get install kcat)")
    commands = next(block for block in code(section(README, "Connect"), "sh") if "kcat" in block)
    with running_broker(tmp_path / "kafka", "--auto-create-topics") as broker:
        script = f"set -e\n{commands.replace(EXAMPLE, broker.bootstrap)}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_its_example_of_a_test_passes_with_what_is_installed(tmp_path: Path) -> None:
    done = run_example_test(README, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "test_an_order_arrives PASSED" in done.stdout
