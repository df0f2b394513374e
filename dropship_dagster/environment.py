"""The variables of the environment and of the file of settings, and what is wrong with either.

The file is read strictly: a file that is named and cannot be used would otherwise select the local services in silence,
because an empty SNOWFLAKE_ACCOUNT or KAFKA_BOOTSTRAP_SERVERS does.
"""

from __future__ import annotations

import difflib
import io
import logging
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from dropship_dagster.errors import DropshipError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout (or, in an image, the working directory): `sql/` and `.env` lie here, relative paths start here."""

ENV_FILE = "DROPSHIP_ENV_FILE"
PREFIXES = ("DROPSHIP_", "KAFKA_", "SNOWFLAKE_")

# Kubernetes describes every service of the namespace to each pod: a service named kafka is KAFKA_SERVICE_HOST,
# KAFKA_SERVICE_PORT_<NAME>, KAFKA_PORT=tcp://10.0.0.1:9092, KAFKA_PORT_9092_TCP_ADDR and so on.
# Source: kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_OF_A_SERVICE = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_OF_A_SERVICE_BY_VALUE = re.compile(r"(tcp|udp|sctp)://\S*")

# Variables of these prefixes that are read elsewhere: by the tests, docker-compose.yml, the warehouse's own process,
# the alerts of Dagster.
_KNOWN_ELSEWHERE = frozenset(
    {
        ENV_FILE,
        "DROPSHIP_ALERT_WEBHOOK",
        "DROPSHIP_CONSOLE_PORT",
        "DROPSHIP_DAGSTER_URL",
        "DROPSHIP_KAFKA_PORT",
        "DROPSHIP_WAREHOUSE_PASSWORD",
    }
)
_OF_TESTS = "DROPSHIP_TEST_"
# Snowflake's own tools read other SNOWFLAKE_ variables: only what looks like a slip of the pen is worth a warning.
LOOKS_LIKE = 0.85
_LOOKS_A_LITTLE_LIKE = 0.6

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

logger = logging.getLogger("dropship_dagster.settings")

_told: set[str] = set()
"""What this process has warned of: settings are read again and again."""


class SettingsError(DropshipError):
    """A setting that cannot be used; the message names the variable or the file, and the fix."""


def env_file() -> Path | None:
    """The file of settings: DROPSHIP_ENV_FILE, none when that is empty, else `.env` in the checkout if it is there.

    Raises:
        SettingsError: DROPSHIP_ENV_FILE names a file that is not there.
    """
    name = os.environ.get(ENV_FILE)
    if name == "":
        return None
    path = PROJECT_ROOT / Path(name or ".env").expanduser()
    if path.exists():
        return path
    if name:
        raise SettingsError(
            f"{ENV_FILE} names {path}, which is not there: correct the name, or unset {ENV_FILE} to use .env. Without "
            "the file its account and brokers would be the local services."
        )
    return None


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file in UTF-8, with or without a byte order mark.

    Raises:
        SettingsError: it is a folder, cannot be read, is not UTF-8, or has a line that is no assignment.
    """
    if path.is_dir():
        raise SettingsError(f"The settings file {path} is a folder: {_name_another(path)}.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read ({error.strerror}): {_name_another(path)}."
        ) from None
    text = _decoded(content)
    if text is None:
        raise SettingsError(
            f"The settings file {path} is not UTF-8 text: save it again as UTF-8 (the encoding is a choice of the "
            "editor's Save As)."
        )
    for binding in parse_stream(io.StringIO(text)):
        bare = binding.key and binding.value is None and not binding.original.string.lstrip().startswith("export ")
        if binding.error or bare:
            raise SettingsError(
                f"The settings file {path}, line {_line_of(binding)}, is not NAME=value: correct it, close its quotes, "
                "or begin a comment with #."
            )
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


@dataclass(frozen=True)
class Variables:
    """What was found.

    values: every variable that is not empty; the environment wins over the file. Without `of_services`.
    of_services: names that Kubernetes uses to describe a service, sorted.
    """

    values: Mapping[str, str] = field(repr=False)
    of_services: tuple[str, ...]


def read() -> Variables:
    """The variables of the environment and of the file of settings.

    Raises:
        SettingsError: the file of settings cannot be used.
    """
    path = env_file()
    sources = (read_env_file(path) if path else {}, os.environ)
    given = {name: value for source in sources for name, value in source.items() if value}
    of_services = {name for name, value in given.items() if _is_of_a_service(name, value)}
    values = {name: value for name, value in given.items() if name not in of_services}
    return Variables(values, tuple(sorted(of_services)))


def _is_of_a_service(name: str, value: str) -> bool:
    """Whether Kubernetes has set a variable of ours to describe a service that happens to bear the name."""
    if not name.startswith(PREFIXES):
        return False
    by_value = name.endswith("_PORT") and _OF_A_SERVICE_BY_VALUE.fullmatch(value)
    return bool(by_value or _OF_A_SERVICE.fullmatch(name))


def warn_once(found: Variables, known: Collection[str]) -> None:
    """Warn of variables that have no effect; each process says it once.

    Args:
        found: what was found.
        known: the variables that are settings.
    """
    if found.of_services:
        tell_once(
            f"Ignored, because Kubernetes sets them for a service of that name: {', '.join(found.of_services)}. "
            "enableServiceLinks: false in the pod's spec keeps them out."
        )
    for name in sorted(found.values):
        sentence = _misspelt(name, known)
        if sentence:
            tell_once(sentence)


def tell_once(sentence: str) -> None:
    """Warn, unless this process has done so already."""
    if sentence not in _told:
        _told.add(sentence)
        logger.warning(sentence)


def nearest(name: str, known: Collection[str], likeness: float) -> str | None:
    """The known name of the same prefix that looks most like this one (1: equal), if any is as much like it."""
    prefix, _, rest = name.partition("_")
    suffixes = [other.removeprefix(f"{prefix}_") for other in sorted(known) if other.startswith(f"{prefix}_")]
    found = difflib.get_close_matches(rest, suffixes, 1, likeness)
    return f"{prefix}_{found[0]}" if found else None


def _misspelt(name: str, known: Collection[str]) -> str | None:
    if not name.startswith(("DROPSHIP_", "SNOWFLAKE_")) or name in known or name in _KNOWN_ELSEWHERE:
        return None
    if name.startswith(_OF_TESTS):
        return None
    ours = name.startswith("DROPSHIP_")
    meant = nearest(name, [*known, *_KNOWN_ELSEWHERE], _LOOKS_A_LITTLE_LIKE if ours else LOOKS_LIKE)
    if not ours and meant is None:
        return None
    return f"Ignored: {name} is no setting{f'; did you mean {meant}?' if meant else '; .env.example lists them.'}"


def _name_another(path: Path) -> str:
    named = os.environ.get(ENV_FILE)
    return f"set {ENV_FILE} to a file that you may read" if named else f"make {path.name} a file that you may read"


def _decoded(content: bytes) -> str | None:
    if content.startswith(_UTF16_MARKS) or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # it holds the content, which could be a part of a password
        return None


def _line_of(binding: Binding) -> int:
    """The line of the assignment itself: the parser counts the blank lines before it as a part of it."""
    text = binding.original.string
    return binding.original.line + len(text[: len(text) - len(text.lstrip())].splitlines())
