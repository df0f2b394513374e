"""README.md says what is true: its clients and its example of a test. Its tables are run by test_document.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_service_tests.readme import code, run_example_test, section
from local_snowflake_tests.server import Server

README = Path(__file__).parents[1] / "README.md"


def test_its_clients_connect_as_it_says(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "warehouse").symlink_to(server.folder)
    monkeypatch.chdir(tmp_path)
    for snippet in code(section(README, "Connect"), "python"):
        exec(snippet, {})


def test_its_example_of_a_test_passes_with_what_is_installed(tmp_path: Path) -> None:
    done = run_example_test(README, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "test_a_stream_tells_what_is_new PASSED" in done.stdout
