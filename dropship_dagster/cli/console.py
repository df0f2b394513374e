"""How the commands speak: rich text for people on a terminal, JSON for scripts, sentences for mistakes."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from dropship_dagster import __version__, environment, logs
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT, Settings
from local_service import privacy

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_FAILED = 1
EXIT_BEHIND = 3
"""Right so far, but messages wait. 2 is what a command line that is not understood ends with."""

ALLOW_SHARED_IDS = "Send it although the warehouse holds another data set with the same identifiers."

logger = logging.getLogger("dropship.command")

_secrets: set[str] = set()
"""What no sentence and no traceback shows."""


def print_json(value: Any) -> None:
    """One JSON document on standard output and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_report(values: Mapping[str, Any]) -> None:
    """What a command did or found, as one JSON object that also names the version that says so."""
    print_json({**values, "dropship_version": __version__})


def settings() -> Settings:
    """The settings, or a sentence and the end. With DROPSHIP_LOG_FORMAT=json logs go to standard error as JSON.

    From here on what the command and the programs it starts write can be read by their owner alone.
    """
    privacy.be_private()
    if os.environ.get("DROPSHIP_LOG_FORMAT") == "json":
        log_in_json(())  # before the settings are known, one of which may be what is wrong
    with sentences():
        if environment.read().values.get("DROPSHIP_LOG_FORMAT") == "json":
            log_in_json(())
        config = Settings.load()
        config.keep_private()
    if config.log_format == "json":
        log_in_json(config.secrets)
    _secrets.update(config.secrets)
    return config


def log_in_json(secrets: Iterable[str], **fields: str) -> None:
    """From here on logs, and the error that ends the command, are JSON objects with the command's name and `fields`."""
    service = next((word for word in sys.argv[1:] if not word.startswith("-")), "dropship")
    logs.configure("json", secrets=secrets, fields={"service": service, **fields})


@contextmanager
def sentences(home: Path | None = None, *, facts: Callable[[], Mapping[str, Any]] = dict) -> Iterator[None]:
    """Turn what a user can mend into one sentence on stderr and exit code 1; where logs are JSON, into a line of them.

    Anything else is a defect of the platform: its traceback goes to a log file that the sentence names.

    Args:
        home: where the log file is.
        facts: what the line of JSON says beside the sentence.
    """
    try:
        yield
    except (typer.BadParameter, typer.Exit, typer.Abort, SystemExit, KeyboardInterrupt):
        raise
    except Exception as error:
        sentence = _known(error)
        defect = sentence is None
        if sentence is None:
            log = _log_traceback(error, home)
            sentence = f"Unexpected {type(error).__name__}: {_one_line(error)}\nThe details are in {log}."
        sentence = logs.redacted(sentence, _secrets)
        if logs.are_json():
            logger.exception(sentence, exc_info=defect, extra=dict(facts()))
        else:
            err.print(f"[bold red]Error:[/] {_plain(sentence)}")
        raise typer.Exit(EXIT_FAILED) from None


def plain(text: object) -> Text:
    """Text from outside for a terminal: no markup of ours, and its control characters shown instead of sent."""
    return Text("".join(letter if letter.isprintable() else _shown(letter) for letter in str(text)))


def _shown(letter: str) -> str:
    return letter if letter == "\n" else letter.encode("unicode_escape").decode("ascii")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """A function that is told what is done, how much of it, and how much there is; quiet when nobody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield report


def _known(error: Exception) -> str | None:
    """The sentence of an error whose class says that its message is meant for the user."""
    from dropship_dagster.endpoints import ServiceError

    if isinstance(error, DropshipError | ServiceError):
        return str(error)
    module = type(error).__module__
    if module.startswith("snowflake.connector"):
        return f"The warehouse answered: {_one_line(error)}"
    if module.startswith(("confluent_kafka", "cimpl")):
        return f"Kafka answered: {_one_line(error)}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}. Is it there, and may you write it?"
    return None


def _one_line(error: Exception) -> str:
    """The message on one line: Snowflake's say what happened in the first and to which thing in the second."""
    return " ".join(str(error).split()) or "no message"


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _log_traceback(error: Exception, home: Path | None) -> Path:
    folder = (home or PROJECT_ROOT / ".dropship") / "logs"
    privacy.make_folder(folder)
    log = folder / "errors.log"
    with open(log, "a", encoding="utf-8", opener=privacy.opener) as file:
        file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')}\n")
        file.write(logs.redacted("".join(traceback.format_exception(error)), _secrets))
    return log
