"""Ports for servers that tests stop and start again on the same one."""

from __future__ import annotations

import random
import socket

# Below the ports that systems give to outgoing connections (32768 on Linux, 49152 elsewhere): none of those can take
# the port of a server while it is down.
_RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on; no two are the same."""
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if len(found) == count:
            return found
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    raise AssertionError(f"no {count} free ports from {_RANGE.start} to {_RANGE.stop}")
