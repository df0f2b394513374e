"""docker-compose.yml as Compose reads it: variables put in, services of a profile in the order they start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from dropship_dagster.settings import PROJECT_ROOT

COMPOSE_FILE = PROJECT_ROOT / "docker-compose.yml"
# docs.docker.com/reference/compose-file/interpolation; none is nested here.
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<operator>:-|:\?)(?P<word>[^}]*))?\})")


class MissingVariableError(Exception):
    """A variable without which Compose refuses to start; says what its author wrote."""


def variables(text: str) -> set[str]:
    """The names that a file asks for."""
    return {match["name"] for match in _VARIABLE.finditer(text) if match["name"]}


def read(environment: Mapping[str, str]) -> dict[str, Any]:
    """The file with the variables of the environment.

    Raises:
        MissingVariableError: a required one is not there.
    """
    document = yaml.safe_load(COMPOSE_FILE.read_text())
    return _put_in(document, environment)


def services(document: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """The services that a profile starts, each after those it depends on."""
    chosen = {
        name: service for name, service in document["services"].items() if profile in service.get("profiles", [profile])
    }
    ordered: dict[str, Any] = {}
    while len(ordered) < len(chosen):
        ready = [
            name
            for name, service in chosen.items()
            if name not in ordered and all(on in ordered for on in service.get("depends_on", {}) if on in chosen)
        ]
        assert ready, f"services wait for each other: {sorted(set(chosen) - set(ordered))}"
        ordered.update((name, chosen[name]) for name in ready)
    return ordered


def _put_in(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _put_in(entry, environment) for name, entry in value.items()}
    if isinstance(value, list):
        return [_put_in(entry, environment) for entry in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        if not match["name"]:
            return "$"
        given = environment.get(match["name"], "")
        if not given and match["operator"] == ":?":
            raise MissingVariableError(f"{match['name']}: {match['word']}")
        return given or (match["word"] if match["operator"] == ":-" else "")

    return _VARIABLE.sub(found, value)
