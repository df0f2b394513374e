"""The same configuration gives the same bytes, and a folder is whole or not there."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dropship_dagster.shop import ShopConfig, ShopError, generate, read_manifest
from dropship_dagster.shop.contract import TABLES
from dropship_dagster.shop.history import Shop
from dropship_dagster.shop.rng import Choice, Rng

SMALL = ShopConfig(customers=50, products=20, orders=200, seed=7)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_default_shop_has_the_promised_rows_and_its_manifest_tells_the_truth(seeds: Path) -> None:
    manifest = read_manifest(seeds)
    assert manifest is not None
    assert manifest.files["customers.csv"].rows == 1_000
    assert manifest.files["products.csv"].rows == 200
    assert manifest.files["orders.csv"].rows == 5_000
    for table in TABLES:
        data = (seeds / table.file).read_bytes()
        facts = manifest.files[table.file]
        assert data.startswith((",".join(table.names) + "\n").encode())
        assert facts.rows == data.count(b"\n") - 1
        assert facts.bytes == len(data)
        assert facts.sha256 == hashlib.sha256(data).hexdigest()
        assert b"\r" not in data


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    generate(SMALL, tmp_path / "one")
    generate(SMALL, tmp_path / "two")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_another_seed_gives_other_orders(tmp_path: Path) -> None:
    generate(SMALL, tmp_path / "one")
    generate(SMALL.model_copy(update={"seed": 8}), tmp_path / "two")
    one, two = digests(tmp_path / "one"), digests(tmp_path / "two")
    assert one["orders.csv"] != two["orders.csv"]
    assert one["customers.csv"] != two["customers.csv"]


def test_the_size_of_the_blocks_does_not_show() -> None:
    shop = Shop(SMALL)
    small = [events for _, events in shop.history(size=7)]
    large = [events for _, events in shop.history(size=1_000)]
    for name in ("order", "version", "type", "time_ms", "carrier", "reason", "refunded"):
        small_column = np.concatenate([getattr(events, name) for events in small])
        assert np.array_equal(small_column, np.concatenate([getattr(events, name) for events in large]))


def test_the_draws_are_those_of_splitmix64() -> None:
    """The reference sequence for the state 0 (Vigna, prng.di.unimi.it/splitmix64.c), whatever the machine."""
    rng = Rng(0)
    rng._keys["reference"] = np.uint64(0)
    rows = np.arange(1, 4, dtype=np.int64)
    assert [f"{bits:016x}" for bits in rng.bits("reference", rows).tolist()] == [
        "e220a8397b1dcdaf",
        "6e789e6aa1b965f4",
        "06c45d188009454f",
    ]


def test_a_choice_follows_its_weights() -> None:
    rows = np.arange(40_000, dtype=np.int64)
    drawn = Rng(1).choose("test", rows, Choice([70, 0, 30]))
    shares = np.bincount(drawn, minlength=3) / len(rows)
    assert shares[1] == 0
    assert abs(shares[0] - 0.7) < 0.01


def test_generating_again_leaves_the_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(SMALL, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    generate(SMALL, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_another_configuration_replaces_the_whole_folder(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(SMALL.model_copy(update={"dirty": 0.1}), folder)
    assert (folder / "truth.csv").exists()
    generate(SMALL, folder)
    assert not (folder / "truth.csv").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")) == ["seeds"]


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "seeds").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ShopError, match="symbolic link"):
        generate(SMALL, tmp_path / "seeds")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShopError, match="file"):
        generate(SMALL, tmp_path / "file" / "seeds")


def test_a_killed_run_leaves_the_old_folder_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(SMALL, folder)
    before = digests(folder)
    program = (
        "from pathlib import Path; from dropship_dagster.shop import ShopConfig, generate;"
        f"generate(ShopConfig(orders=20_000_000), Path({str(folder)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    partial = tmp_path / ".seeds.partial" / "orders.csv"
    try:
        while not (partial.exists() and partial.stat().st_size > 1_000_000):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert partial.exists(), "the kill struck in the middle of writing"
    assert digests(folder) == before
    generate(SMALL.model_copy(update={"seed": 9}), folder)
    assert not partial.parent.exists()


def test_two_runs_at_once_both_end_well(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    program = (
        "from pathlib import Path; from dropship_dagster.shop import ShopConfig, generate;"
        f"generate(ShopConfig(customers=50, products=20, orders=200, seed=7), Path({str(folder)!r}))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    generate(SMALL, tmp_path / "alone")
    assert digests(folder) == digests(tmp_path / "alone")


@pytest.mark.parametrize("name", ["../orders.csv", "/etc/passwd", "a/b.csv", ".."])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    generate(SMALL, tmp_path / "seeds")
    path = tmp_path / "seeds" / "manifest.json"
    values = json.loads(path.read_text())
    values["files"][name] = {"rows": 1, "bytes": 1, "sha256": ""}
    path.write_text(json.dumps(values))
    with pytest.raises(ShopError, match="own folder only"):
        read_manifest(tmp_path / "seeds")


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    generate(SMALL, tmp_path / "seeds", progress=lambda *step: seen.append(step))
    assert ("customers", 50, 50) in seen
    assert seen[-1] == ("orders", 200, 200)


def test_a_disk_that_takes_no_more_is_a_sentence_and_the_old_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(SMALL, folder)
    before = digests(folder)
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(ShopError, match="cannot be written"):
            generate(SMALL.model_copy(update={"seed": 3}), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert digests(folder) == before


def test_the_bytes_of_the_default_shop_are_known(seeds: Path) -> None:
    """The same on every machine. A change to the generator or shop.toml changes them: raise manifest.GENERATOR then."""
    assert {name: digest[:16] for name, digest in digests(seeds).items() if name.endswith(".csv")} == {
        "customers.csv": "f4664d124ba73858",
        "order_events.csv": "46c9e757108be550",
        "order_lines.csv": "1cda9510cdc2afca",
        "orders.csv": "932811f32f70bd35",
        "products.csv": "4c77cfd406c85bae",
        "suppliers.csv": "d75b23266991b6a2",
    }
