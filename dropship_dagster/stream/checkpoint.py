"""How far a replay came, in a file that survives a kill."""

from __future__ import annotations

import json
from pathlib import Path

from local_service.files import replace_durably


class Checkpoint:
    """The number of messages of a folder that are acknowledged, from its beginning."""

    def __init__(self, path: Path, identity: str) -> None:
        """`identity` tells the folder's content: the position of another content is not used."""
        self._path = path
        self._identity = identity
        self.position = 0
        try:
            values = json.loads(path.read_bytes())
            if values["identity"] == identity:
                self.position = int(values["position"])
        except FileNotFoundError:
            pass  # the first run
        except (ValueError, KeyError, TypeError):
            self.position = 0  # unreadable: from the beginning, which is harmless

    def save(self, position: int) -> None:
        """Remember the position, durably: the old content or the new, never half of one."""
        replace_durably(self._path, json.dumps({"identity": self._identity, "position": position}).encode())
        self.position = position
