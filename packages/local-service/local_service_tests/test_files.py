"""Files that survive a crash, and locks that do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_service.files import locked, replace_durably

REPLACE = """
import sys
from pathlib import Path
from local_service.files import replace_durably
replace_durably(Path(sys.argv[1]), b"content")
"""
HOLD = """
import sys
from pathlib import Path
from local_service.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_replaced_file_and_its_name_are_on_the_disk_when_the_call_returns(tmp_path: Path) -> None:
    """The file is synced before it gets the name, the folder after it (man 2 fsync: a file's entry is not its own)."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    trace, target = tmp_path / "trace", tmp_path / "folder" / "file"
    calls = "--trace=fsync,fdatasync,rename,renameat,renameat2"
    program = [sys.executable, "-c", REPLACE, str(target)]
    subprocess.run([strace, "-f", "-y", "-qq", "-o", str(trace), calls, *program], check=True)
    steps = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines() if str(target.parent) in line]
    assert [step.split("(")[0].removesuffix("2").removesuffix("at") for step in steps] == ["fsync", "rename", "fsync"]
    assert f"<{target.parent}/.file." in steps[0]
    assert f"<{target.parent}>" in steps[2]


def test_threads_that_replace_one_file_at_once_leave_one_of_their_contents_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    contents = [bytes([number]) * 100_000 for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda content: replace_durably(target, content), contents))
    assert target.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [target]


def test_a_lock_is_one_process_s_until_it_ends_in_whatever_way(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), locked(lock, wait=False):
            pass
        holder.kill()
        holder.wait(60)
        with locked(lock, wait=False):
            assert lock.stat().st_mode & 0o777 == 0o600
