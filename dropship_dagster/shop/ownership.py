"""Whose the files of a folder are: the generator's, as it wrote them, or somebody's own, which nothing may replace.

A file is the generator's when the folder's manifest names it and has its size and SHA-256. Everything else is
somebody's own: a file without a manifest, one that was changed since, a symbolic link, one that cannot be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dropship_dagster import environment
from dropship_dagster.shop import manifest as manifests
from dropship_dagster.shop.contract import TABLES
from dropship_dagster.shop.errors import OwnFilesError, ShopError
from dropship_dagster.shop.fault_injection import TRUTH_FILE
from dropship_dagster.shop.manifest import Manifest, file_digest, read_manifest
from local_service import privacy

CSV_FILES = frozenset(table.file for table in TABLES)
_KNOWN_FILES = CSV_FILES | {manifests.FILE, TRUTH_FILE}
_REMEMBERED = 64

Digest = Callable[[Path], str]
"""The SHA-256 of a file, in hex."""


@dataclass(frozen=True)
class Contents:
    """What a folder holds.

    Attributes:
        manifest: the manifest, where there is one that can be read.
        generated: names of files that are as the generator wrote them.
        own: names that the generator writes too, of files that it did not write, or not so.
        other: names that the generator never writes.
    """

    manifest: Manifest | None
    generated: tuple[str, ...]
    own: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def usable_as_own(self) -> bool:
        """Whether it is a folder of somebody's own with CSV files in it, to be used as it is."""
        held = {*self.generated, *self.own}
        return bool((self.own or self.other) and held & CSV_FILES)


def contents(folder: Path, digest: Digest = file_digest) -> Contents:
    """Tell the files of a folder apart; one that does not exist holds none.

    Raises:
        ShopError: the folder cannot be listed.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return Contents(None, (), (), ())
    except OSError as error:
        raise ShopError(
            f"The folder {folder} cannot be listed ({error.strerror}): name one that you may read."
        ) from error
    known = [name for name in names if name in _KNOWN_FILES]
    manifest = _readable_manifest(folder)
    generated = tuple(name for name in known if _is_as_written(folder, name, manifest, digest))
    own = tuple(name for name in known if name not in generated)
    return Contents(manifest, generated, own, tuple(name for name in names if name not in _KNOWN_FILES))


def generated_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder that holds the generator's files and no others by their names; else None.

    Files are hashed when they are new or changed since the last call, so it may be asked often.
    """
    try:
        found = contents(folder, _remembered_digest)
    except ShopError:
        return None
    missing = set(found.manifest.files) - set(found.generated) if found.manifest else CSV_FILES
    return None if found.own or missing else found.manifest


def own_files(folder: Path) -> tuple[str, ...]:
    """Names of the files in a folder of somebody's own, which is used as it is; () where it may be generated into."""
    found = contents(folder, _remembered_digest)
    return (found.own or found.other) if found.usable_as_own else ()


def used_as_they_are(folder: Path, own: Sequence[str]) -> str:
    """The sentence that says why nothing is generated; `own` are the names of `own_files`."""
    return (
        f"{folder} holds files that Dropship did not write, or that were changed since ({', '.join(own)}): they are "
        "used as they are, and nothing is generated. Name another DROPSHIP_DATA_DIR to have a shop generated there."
    )


def refuse_own_files(folder: Path, *, overwrite: bool = False) -> bool:
    """See that a folder may be replaced; whether there are files of somebody's own in it, which is so with `overwrite`.

    Raises:
        OwnFilesError: it holds somebody's own files.
        ShopError: it holds files that have nothing to do with the shop.
    """
    found = contents(folder)
    if found.other:
        sentence = f"The folder {folder} holds other files ({', '.join(found.other[:3])}): name an empty or a new one."
        raise OwnFilesError(sentence) if found.usable_as_own else ShopError(sentence)
    if found.own and not overwrite:
        raise OwnFilesError(
            f"{folder} holds files that Dropship did not write, or that were changed since: {', '.join(found.own)}. "
            "They stay as they are. Name another folder (--out DIR, or DROPSHIP_DATA_DIR), or give --overwrite, which "
            "moves them into a folder beside this one."
        )
    return bool(found.own)


def close_generated(folder: Path) -> None:
    """Take from other users of the machine the generator's files that an earlier version left open to them.

    The folder is closed with them when it holds nothing else. One whose files are closed keeps its mode: somebody chose
    it. A file system without modes is told of, once.
    """
    try:
        is_open = any(entry.name in _KNOWN_FILES and privacy.is_open(entry) for entry in folder.iterdir())
    except OSError:
        return  # whoever needs the folder says so
    if not is_open:
        return
    try:
        privacy.keep_private(folder, contents(folder).generated)
    except OSError as error:
        environment.tell_once(
            f"{error.filename} cannot be closed to other users of this machine ({error.strerror}): it holds personal "
            "data, so move DROPSHIP_DATA_DIR to a disk of your own."
        )


def remove_generated(folder: Path) -> tuple[str, ...]:
    """Remove the generator's files, each compared with the manifest right before, and the folder when it is empty then.

    A run that was killed meanwhile can be repeated: the manifest goes last.

    Returns:
        The names that are left, because they are not the generator's.
    """
    manifest = _readable_manifest(folder)
    for name in sorted(_KNOWN_FILES - {manifests.FILE}):
        if _is_as_written(folder, name, manifest, file_digest):
            (folder / name).unlink()
    left = sorted(entry.name for entry in folder.iterdir())
    if manifest is not None and left == [manifests.FILE]:
        (folder / manifests.FILE).unlink()
        left = []
    if not left:
        with suppress(OSError):  # a file that has come meanwhile: the folder stays
            folder.rmdir()
    return tuple(left)


def folder_signature(folder: Path) -> str:
    """What tells the CSV files of a folder of somebody's own from what they were before: size and time of change."""
    facts = []
    for name in sorted(CSV_FILES):
        with suppress(FileNotFoundError):
            found = (folder / name).stat()
            facts.append(f"{name} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _readable_manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except ShopError:
        return None  # it proves nothing, and is somebody's own itself


def _is_as_written(folder: Path, name: str, manifest: Manifest | None, digest: Digest) -> bool:
    path = folder / name
    if manifest is None or path.is_symlink() or not path.is_file():
        return False
    if name == manifests.FILE:
        return True
    facts = manifest.files.get(name)
    try:
        return facts is not None and path.stat().st_size == facts.bytes and digest(path) == facts.sha256
    except OSError:
        return False


def _remembered_digest(path: Path) -> str:
    found = path.stat()
    return _digest_of(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=_REMEMBERED)
def _digest_of(path: Path, _state: tuple[int, ...]) -> str:
    return file_digest(path)
