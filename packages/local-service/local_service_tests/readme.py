"""A README as what it is made of: sections, and the code in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def section(readme: Path, title: str) -> str:
    """The text below a heading of the second level, to the next one."""
    return readme.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def code(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no {language} here"
    return found


def run_example_test(readme: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the example below "In tests" with pytest, in a folder that knows nothing but what is installed."""
    (example,) = code(section(readme, "In tests"), "python")
    return run_tests(example, folder)


def run_tests(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a file of tests in a folder that knows nothing but what is installed."""
    (folder / "test_it.py").write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
