"""Apache Kafka's jars through Maven, and its command line tools."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

POM = Path(__file__).parent / "pom.xml"
# Short lives on few cores: the second compiler and the parallel collectors would only cost.
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# `make test-kafka` sets it: what is missing fails the tests then, instead of skipping them.
REQUIRED = "DROPSHIP_TEST_REQUIRE_KAFKA"
FETCH_ATTEMPTS = 3


def unavailable(reason: str) -> NoReturn:
    """Skip the test; or fail it, where Apache Kafka is required."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason} ({REQUIRED} is set, so this is no reason to skip)", pytrace=False)
    pytest.skip(reason)


def class_path(cache: Path, pom: Path = POM) -> str:
    """The class path of Kafka's broker and tools, or of another pom's; Maven fetches it once, and again when that
    changes."""
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            unavailable(f"Apache Kafka needs Java 17 and Maven: there is no {program} (apt-get install {package})")
    jars, complete = cache / "jars", cache / "complete"
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text() != wanted:
            complete.unlink(missing_ok=True)
            shutil.rmtree(jars, ignore_errors=True)
            _fetch(pom, jars)
            complete.write_text(wanted)
    return f"{jars}/*"


def run_java(classes: str, name: str, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run one of Kafka's tools to its end."""
    command = [*JAVA, "-Xmx256m", "-cp", classes, name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def _fetch(pom: Path, jars: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    for _ in range(FETCH_ATTEMPTS):
        fetched = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if fetched.returncode == 0:
            return
    unavailable(f"Maven cannot fetch Apache Kafka: {fetched.stdout[-500:]}")
