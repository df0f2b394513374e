from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dropship_dagster.cli.processes import ProcessGroup, Program, check_free
from dropship_dagster.errors import DropshipError

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]
STUBBORN = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)",
]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Callable[..., ProcessGroup]]:
    groups = []

    def make(*commands: list[str]) -> ProcessGroup:
        programs = [Program(f"program {n}", command, tmp_path / f"{n}.log") for n, command in enumerate(commands)]
        groups.append(ProcessGroup(programs, os.environ, tmp_path))
        return groups[-1]

    yield make
    for made in groups:
        made.stop()


def started(group: ProcessGroup) -> list[int]:
    """Start every program and wait until each has spoken; their pids."""
    pids = []
    for program in group.programs:
        group.start(program)
        assert program.process is not None
        pids.append(program.process.pid)
        wait(lambda log=program.log: "here" in log.read_text())
    return pids


def wait(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):  # it may go between the two
        return False


def test_a_program_that_ends_by_itself_is_started_again(group: Callable[..., ProcessGroup]) -> None:
    programs = group(SLEEP, SLEEP)
    first, second = started(programs)
    os.kill(first, signal.SIGKILL)
    wait(lambda: not programs.programs[0].running)
    assert [program.name for program in programs.revive()] == ["program 0"]
    assert programs.programs[0].running
    assert programs.programs[1].process is not None
    assert programs.programs[1].process.pid == second
    assert programs.revive() == []


def test_a_program_that_ends_again_and_again_is_given_up_with_its_last_words(
    group: Callable[..., ProcessGroup],
) -> None:
    programs = group([sys.executable, "-c", "print('no such table'); raise SystemExit(1)"])
    programs.start(programs.programs[0])
    with pytest.raises(DropshipError, match="no such table"):
        while True:
            wait(lambda: not programs.programs[0].running)
            programs.revive()


def test_a_program_that_ends_while_starting_is_named(group: Callable[..., ProcessGroup]) -> None:
    programs = group([sys.executable, "-c", "raise SystemExit('port is taken')"])
    programs.start(programs.programs[0])
    programs.programs[0].ready = lambda: False
    with pytest.raises(DropshipError, match=r"program 0 ended while starting: port is taken"):
        programs.wait_ready(programs.programs[0], lambda: False)


def test_stopping_ends_even_a_program_that_ignores_the_request(
    group: Callable[..., ProcessGroup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropship_dagster.cli.processes._STOP_SECONDS", 1.0)
    programs = group(SLEEP, STUBBORN)
    pids = started(programs)
    assert [program.name for program in programs.stop()] == ["program 1"]
    assert not any(alive(pid) for pid in pids)


def test_programs_of_a_supervisor_that_ignores_the_signals_end_by_them(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from dropship_dagster.cli.processes import ProcessGroup, Program;"
        f"program = Program('child', {SLEEP!r}, pathlib.Path('child.log'));"
        "group = ProcessGroup([program], os.environ, pathlib.Path('.')); group.start(program);"
        "group.ask_to_end(program); print(program.process.wait(300))"
    )
    in_the_background = ["sh", "-c", "trap '' INT TERM; exec \"$@\"", "sh", sys.executable, "-c", code]
    said = subprocess.run(in_the_background, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert int(said) == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_programs_die_with_their_supervisor(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys, time; from dropship_dagster.cli.processes import ProcessGroup, Program;"
        "program = Program('child', [sys.executable, '-c', 'import time; time.sleep(600)'], pathlib.Path('child.log'));"
        "group = ProcessGroup([program], os.environ, pathlib.Path('.')); group.start(program);"
        "print(program.process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    wait(lambda: not alive(child))


def test_a_taken_port_is_named_with_the_setting_that_chooses_another() -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(DropshipError, match=f"Port {port} is taken.*DROPSHIP_DAGSTER_PORT"):
            check_free(port, "DROPSHIP_DAGSTER_PORT")
