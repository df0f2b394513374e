"""Files that are somebody's own are never replaced: not those the generator did not write, nor those changed since."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dropship_dagster.shop import OwnFilesError, ShopConfig, ShopError, generate, own_files
from dropship_dagster.shop import folder as folders
from dropship_dagster.shop.contract import TABLES
from dropship_dagster.shop.ownership import generated_manifest

SMALL = ShopConfig(customers=30, products=10, orders=40, seed=7)
OTHER = SMALL.model_copy(update={"seed": 8})


def content(folder: Path) -> dict[str, str]:
    """SHA-256 by name; of a symbolic link where it leads."""
    return {
        path.name: os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a", b"e", 1))


def own_customers(folder: Path) -> None:
    change(folder / "customers.csv")


def without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def manifest_of_another_folder(folder: Path) -> None:
    generate(OTHER, folder.with_name("another"))
    (folder / "manifest.json").write_bytes((folder.with_name("another") / "manifest.json").read_bytes())


def manifest_without_hashes(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_bytes())
    for facts in values["files"].values():
        del facts["sha256"]
    (folder / "manifest.json").write_text(json.dumps(values))


def manifest_of_a_newer_format(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({**values, "format": values["format"] + 1}))


def symbolic_link(folder: Path) -> None:
    elsewhere = folder.with_name("orders-elsewhere.csv")
    (folder / "orders.csv").rename(elsewhere)
    (folder / "orders.csv").symlink_to(elsewhere)


def read_only(folder: Path) -> None:
    change(folder / "orders.csv")
    (folder / "orders.csv").chmod(0o444)
    folder.chmod(0o555)


def only_one_own_file(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "orders.csv":
            path.unlink()


def truth_of_ones_own(folder: Path) -> None:
    (folder / "truth.csv").write_text("what is true\n")


KINDS = (
    own_customers,
    without_manifest,
    manifest_of_another_folder,
    manifest_without_hashes,
    manifest_of_a_newer_format,
    symbolic_link,
    read_only,
    only_one_own_file,
    truth_of_ones_own,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A generated folder."""
    generate(SMALL, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("kind", KINDS)
def test_own_files_are_refused_by_name_and_not_one_byte_changes(folder: Path, kind: Callable[[Path], None]) -> None:
    kind(folder)
    before, beside = content(folder), sorted(path.name for path in folder.parent.iterdir())
    with pytest.raises(OwnFilesError, match=r"\.csv.*--out DIR.*DROPSHIP_DATA_DIR.*--overwrite"):
        generate(OTHER, folder)
    assert content(folder) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == beside
    assert own_files(folder)
    assert generated_manifest(folder) is None


@pytest.mark.parametrize("kind", KINDS)
def test_overwriting_moves_own_files_into_a_folder_beside_and_says_where(
    folder: Path, kind: Callable[[Path], None]
) -> None:
    kind(folder)
    before = content(folder)
    kept: list[Path] = []
    folder.chmod(0o755)
    generate(OTHER, folder, overwrite=True, kept=kept.append)
    (backup,) = kept
    assert backup.parent == folder.parent
    assert backup.name.startswith("data.replaced-2")
    assert content(backup) == before
    assert generated_manifest(folder) is not None
    assert not own_files(folder)


def test_a_file_that_was_changed_is_the_only_one_named(folder: Path) -> None:
    own_customers(folder)
    with pytest.raises(OwnFilesError, match=r"changed since: customers\.csv\. They"):
        generate(OTHER, folder)


def test_the_same_configuration_does_not_repair_a_file_that_was_changed(folder: Path) -> None:
    own_customers(folder)
    before = content(folder)
    with pytest.raises(OwnFilesError):
        generate(SMALL, folder)
    assert content(folder) == before


def test_a_generated_folder_that_nobody_changed_is_replaced_without_a_copy(folder: Path) -> None:
    kept: list[Path] = []
    generate(OTHER, folder, overwrite=True, kept=kept.append)
    assert not kept
    assert [path.name for path in folder.parent.iterdir() if not path.name.endswith(".lock")] == ["data"]


def test_a_generated_folder_that_lost_a_file_is_made_anew(folder: Path) -> None:
    good = content(folder)
    (folder / "orders.csv").unlink()
    assert not own_files(folder)
    generate(SMALL, folder)
    assert content(folder) == good


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_other_files_is_refused_and_keeps_them(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "thesis.txt").write_text("years of work")
    with pytest.raises(ShopError, match=r"thesis\.txt"):
        generate(SMALL, tmp_path / "seeds", overwrite=overwrite)
    assert (tmp_path / "seeds" / "thesis.txt").read_text() == "years of work"
    assert not own_files(tmp_path / "seeds"), "there is nothing in it to be used"


def test_other_files_beside_generated_ones_make_the_folder_ones_own(folder: Path) -> None:
    (folder / "notes").mkdir()
    assert own_files(folder) == ("notes",)
    with pytest.raises(OwnFilesError, match="other files"):
        generate(OTHER, folder)


def test_a_file_that_is_changed_while_the_new_ones_are_written_is_refused(folder: Path) -> None:
    def change_it(what: str, _done: int, _total: int) -> None:
        if what == "orders":
            change(folder / "orders.csv")

    before = content(folder)
    with pytest.raises(OwnFilesError, match=r"orders\.csv"):
        generate(OTHER, folder, progress=change_it)
    after = content(folder)
    assert after.pop("orders.csv") != before.pop("orders.csv")
    assert after == before
    assert sorted(path.name for path in folder.parent.iterdir()) == [".data.lock", "data"]


def test_a_file_that_is_changed_at_the_very_exchange_is_kept_beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = folders._exchange

    def change_and_exchange(one: Path, other: Path) -> bool:
        (other / "orders.csv").write_text("changed between the comparison and the exchange")
        return exchange(one, other)

    monkeypatch.setattr(folders, "_exchange", change_and_exchange)
    with pytest.raises(OwnFilesError, match=r"orders\.csv.*kept in .*data\.replaced-"):
        generate(OTHER, folder)
    (backup,) = folder.parent.glob("data.replaced-*")
    assert "changed between" in (backup / "orders.csv").read_text()
    assert generated_manifest(folder) is not None


_KILLED_AT = """
import os, signal, sys
from pathlib import Path
from dropship_dagster.shop import ShopConfig, folder, generate

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

where, overwrite = sys.argv[2], sys.argv[3] == "True"
exchange = folder._exchange
if where == "before":
    folder._exchange = die
if where == "behind":
    folder._exchange = lambda *pair: exchange(*pair) and die()
if where == "removing":
    unlink = Path.unlink
    Path.unlink = lambda path, **how: die() if path.name == "orders.csv" else unlink(path, **how)
if where == "without exchange":
    folder._exchange = lambda *_: False
    rename, done = Path.rename, []
    def two(path, target):
        rename(path, target)
        done.append(target)
        if len(done) == 3:
            die()
    Path.rename = two
generate(ShopConfig(customers=30, products=10, orders=40, seed=8), Path(sys.argv[1]), overwrite=overwrite)
"""


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("where", ["before", "behind", "removing", "without exchange"])
def test_a_kill_at_any_step_of_the_replacing_loses_nothing(folder: Path, where: str, own: bool) -> None:
    if own:
        own_customers(folder)
    before = content(folder)
    done = subprocess.run([sys.executable, "-c", _KILLED_AT, str(folder), where, str(own)], check=False)
    if not (own and where == "removing"):  # nothing is removed then
        assert done.returncode == -signal.SIGKILL
    folders_there = [path for path in folder.parent.iterdir() if path.is_dir()]
    if own:
        assert before in [content(path) for path in folders_there]
    elif folder.exists():
        assert {*content(folder)} >= {table.file for table in TABLES}
    generate(OTHER.model_copy(update={"seed": 9}), folder, overwrite=own)
    assert generated_manifest(folder) is not None
    left = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
    assert (before in [content(path) for path in left]) == own
    assert own or not left


def test_cleaning_removes_a_generated_set_and_leaves_one_that_was_changed_whole(folder: Path) -> None:
    own_customers(folder)
    before = content(folder)
    clean = [sys.executable, "-m", "dropship_dagster.shop.removal", str(folder)]
    done = subprocess.run(clean, capture_output=True, text=True, check=True)
    assert "customers.csv" in done.stdout
    assert content(folder) == before
    generate(SMALL, folder.with_name("generated"))
    subprocess.run([*clean[:-1], str(folder.with_name("generated"))], check=True)
    assert not folder.with_name("generated").exists()
