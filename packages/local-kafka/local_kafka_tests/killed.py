"""A broker that is killed (SIGKILL) when its cleaner is about to change the disk for the nth time.

KILLED_AT=3 python -m local_kafka_tests.killed --data-dir D ...
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading

from local_kafka.__main__ import main

AT = "KILLED_AT"
# What Python tells its audit hooks before it is done (docs.python.org/3/library/audit_events.html).
_CHANGES = ("open", "os.rename", "os.remove", "os.utime", "os.truncate")


def kill_at(step: int) -> None:
    """Have this process killed at a step of its cleaner."""
    count = itertools.count(1)

    def hook(event: str, _: tuple[object, ...]) -> None:
        if event in _CHANGES and threading.current_thread().name.startswith("cleaner") and next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    kill_at(int(os.environ[AT]))
    sys.exit(main())
