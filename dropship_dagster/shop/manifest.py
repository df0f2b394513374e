"""manifest.json: what a folder of CSV files holds and what it was made from. Written last:
a folder with a manifest is whole.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropship_dagster.shop.csvfile import FileFacts
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.fault_injection import TRUTH_FILE

if TYPE_CHECKING:
    from dropship_dagster.shop.config import ShopConfig

FILE = "manifest.json"
FORMAT = 1
GENERATOR = 1
"""Raised whenever the same configuration gives other bytes than before."""

_DIGESTED_BYTES = 1 << 18


@dataclass(frozen=True)
class Manifest:
    """The facts of a folder.

    `arrival_order` says that order_events.csv is in the order in which events arrive, which is not that of their times.
    """

    generator: int
    config: dict[str, Any]
    files: dict[str, FileFacts]
    arrival_order: bool

    @property
    def rows(self) -> int:
        """Rows of all CSV files."""
        return sum(facts.rows for name, facts in self.files.items() if name != TRUTH_FILE)

    def to_json(self) -> str:
        """The file's content."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def config_values(config: ShopConfig) -> dict[str, Any]:
    """A configuration as plain JSON values."""
    values: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    return values


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest; None when it has none.

    Raises:
        ShopError: the file is there and is not a manifest this version understands.
    """
    path = folder / FILE
    try:
        values = json.loads(path.read_bytes())
        if values["format"] != FORMAT:
            raise ShopError(
                f"{path} has format {values['format']}, this version reads {FORMAT}: "
                "remove it, and the files are read as your own."
            )
        files = {name: _facts(**facts) for name, facts in values["files"].items()}
        manifest = Manifest(values["generator"], values["config"], files, bool(values["arrival_order"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShopError(
            f"{path} is not a manifest ({error}): remove it, and the files are read as your own."
        ) from error
    for name in files:
        if Path(name).name != name or name in ("", ".", ".."):
            raise ShopError(f"{path} names the file {name!r}: a manifest names files of its own folder only.")
    return manifest


def fitting_manifest(folder: Path) -> Manifest | None:
    """The manifest, unless a file's size tells that it was changed since: then what it says is not to be relied on.

    Raises:
        ShopError: see read_manifest.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    for name, facts in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts.bytes:
            return None
    return manifest


def _facts(rows: int, bytes: int, sha256: str = "") -> FileFacts:
    """The facts of a file; without a hash, as older versions wrote them, they prove nothing."""
    return FileFacts(int(rows), int(bytes), str(sha256))


def holds(folder: Path, config: ShopConfig) -> Manifest | None:
    """The manifest, if the folder is exactly what this configuration makes, byte for byte; else None."""
    try:
        manifest = read_manifest(folder)
    except ShopError:
        return None  # unreadable: it is made anew
    if manifest is None or manifest.generator != GENERATOR or manifest.config != config_values(config):
        return None
    for name, facts in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size != facts.bytes:
            return None
        if file_digest(path) != facts.sha256:
            return None
    return manifest


def file_digest(path: Path, stop: threading.Event | None = None) -> str:
    """SHA-256 of a file, in hex; of its beginning only when asked to stop."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while (block := file.read(_DIGESTED_BYTES)) and not (stop and stop.is_set()):
            digest.update(block)
    return digest.hexdigest()
