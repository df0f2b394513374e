"""Names that are loaded when they are first used are those that the type checker sees, and cost nothing before."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["dropship_dagster.shop", "dropship_dagster.stream"])
def test_every_name_the_type_checker_sees_is_there(package: str) -> None:
    loaded = import_module(package)
    assert loaded.__file__ is not None
    imports = [
        node
        for node in ast.walk(ast.parse(Path(loaded.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(package)
    ]
    assert imports
    for node in imports:
        for alias in node.names:
            assert getattr(loaded, alias.name) is getattr(import_module(str(node.module)), alias.name)


def test_a_name_that_is_not_there_is_named() -> None:
    from dropship_dagster import stream

    with pytest.raises(AttributeError, match=r"'dropship_dagster\.stream' has no attribute 'replays'"):
        _ = stream.replays


def test_the_process_that_reads_a_folder_loads_neither_kafka_nor_the_generator() -> None:
    program = "import sys, dropship_dagster.stream.reader_process; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "pyarrow" in loaded
    assert not {"confluent_kafka", "pydantic", "faker"} & set(loaded)
