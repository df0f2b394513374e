"""Plans that outlive the server: the file that it leaves at its end and reads at its next start.

The statements of a task graph take seconds to translate, and a few milliseconds to read. A plan is good as long as no
definition has changed and the same code would make it. What was run once is not kept: its constants are data.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import json
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from local_service.files import write_atomically
from local_snowflake.engine.access import Need, Securable
from local_snowflake.engine.locks import Mode
from local_snowflake.engine.plans import PLANS_KEPT, Plan, Step, Versioned
from local_snowflake.engine.slots import Slot, SlotKind, SlottedText
from local_snowflake.engine.streams import Stream
from local_snowflake.results import StatementType
from local_snowflake.syntax.names import Name

log = logging.getLogger("warehouse.plans")

_PACKAGE = "local_snowflake"
_TRANSLATORS = ("duckdb", "sqlglot")


def _digest_of(key: Hashable) -> str:
    """What stands for a plan's key in the file: it holds no text of a statement."""
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _files(folder: Traversable) -> Iterable[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith((".py", ".sql")):
            yield entry.name, entry.read_bytes()


def _code() -> str:
    """What makes the plans: this package and the two libraries that read and run SQL."""
    digest = hashlib.sha256()
    for name, content in _files(importlib.resources.files(_PACKAGE)):
        digest.update(name.encode() + b"\0" + content)
    for library in _TRANSLATORS:
        digest.update(importlib.metadata.version(library).encode())
    return digest.hexdigest()


class KeptPlans:
    """The plans of a server: those it has made, and those that were left to it and not asked for yet.

    Attributes:
        code: stands for the code that translates; another text for any other code.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.code = _code()  # as it is at the start: an update while the server runs does not make its plans
        self._made: Versioned[Hashable, Plan] = Versioned()  # by text, database, schema and types of bound values
        self._left: dict[str, Plan] = {}

    def get(self, key: Hashable, version: int) -> Plan | None:
        """The plan of a statement, if the definitions are still at the version that it was made at."""
        found = self._made.get(key, version)
        if found is None and self._left:
            found = self._left.pop(_digest_of(key), None)
            if found is not None and found.version == version:
                self._made.put(key, version, found, again=True)
                return found
            return None
        return found

    def put(self, key: Hashable, plan: Plan) -> None:
        self._made.put(key, plan.version, plan)

    def read(self, definitions: str, stream: Callable[[Name], Stream | None], version: int) -> None:
        """Take what the last run has left, if it is still good.

        Args:
            definitions: the state that the definitions have now.
            stream: finds a stream by its name.
            version: what these definitions are called in this run.
        """
        try:
            content = json.loads(self._path.read_bytes())
            if content["definitions"] == definitions and content["code"] == self.code:
                plans = content["plans"].items()
                self._left = {digest: _from_json(plan, stream, version) for digest, plan in plans}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the kept plans cannot be read, statements are translated anew: %r", error)

    def write(self, definitions: str, version: int) -> None:
        """Leave the plans that were asked for more than once, in this run or before."""
        plans = {digest: plan for digest, plan in self._left.items() if plan.version == version}
        plans |= {_digest_of(key): plan for key, plan in self._made.used_again(version).items()}
        kept = {digest: _to_json(plan) for digest, plan in list(plans.items())[-PLANS_KEPT:]}
        content = {"definitions": definitions, "code": self.code, "plans": kept}
        try:
            write_atomically(self._path, json.dumps(content).encode())
        except OSError as error:  # a full disk: the next start translates again
            log.warning("the plans of this run are not kept: %s", error)


def _to_json(plan: Plan) -> dict[str, Any]:
    return {
        "kind": plan.kind.name,
        "steps": [
            [
                [part if isinstance(part, str) else [part.kind.name, part.name] for part in step.text.parts],
                step.label, step.guard, step.repeatable,
            ]
            for step in plan.steps
        ],
        "streams": [_parts(stream.name) for stream in plan.streams],
        "targets": [[_parts(name), mode.name] for name, mode in plan.targets.items()],
        "needs": [[need.privilege, need.on, need.view] for need in plan.needs],
    }  # fmt: skip


def _parts(name: Name) -> list[str]:
    return [name.database, name.schema, name.name]


def _from_json(kept: Mapping[str, Any], stream: Callable[[Name], Stream | None], version: int) -> Plan:
    streams = [stream(Name(*parts)) for parts in kept["streams"]]
    return Plan(
        StatementType[kept["kind"]],
        tuple(Step(_text(parts), label, guard, repeatable) for parts, label, guard, repeatable in kept["steps"]),
        tuple(found for found in streams if found is not None),
        {Name(*parts): Mode[mode] for parts, mode in kept["targets"]},
        version,
        tuple(Need(privilege, _securable(on), _securable(view) if view else None)
              for privilege, on, view in kept["needs"]),
    )  # fmt: skip


def _securable(kept: Sequence[Any]) -> Securable:
    return Securable(kept[0], tuple(kept[1]))


def _text(parts: Iterable[Any]) -> SlottedText:
    return SlottedText(tuple(part if isinstance(part, str) else Slot(SlotKind[part[0]], part[1]) for part in parts))
