"""The messages of a folder do not depend on how much of it is read at a time."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import pytest

from dropship_dagster.shop import Rejects, ShopConfig, generate, read_manifest
from dropship_dagster.stream.sorting import SORTED_BYTES
from dropship_dagster.stream.source import Seeds


def messages(
    folder: Path, block_bytes: int, sorted_bytes: int = SORTED_BYTES
) -> tuple[list[tuple[bytes, bytes, int]], int]:
    """Key, value and time of every message in order, and how many rows were rejected."""
    with Rejects() as rejects:
        found = [
            message
            for block in Seeds(folder, rejects, block_bytes=block_bytes, sorted_bytes=sorted_bytes).messages()
            for message in zip(block.keys.to_pylist(), block.values.to_pylist(), block.times_ms.tolist(), strict=True)
        ]
        return found, rejects.count


@pytest.mark.parametrize("dirty", [0.0, 0.03])
@pytest.mark.parametrize("orders", [4_000, pytest.param(40_000, marks=pytest.mark.slow)])
def test_small_blocks_and_large_ones_give_the_same_messages(tmp_path: Path, orders: int, dirty: float) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=500, orders=orders, dirty=dirty), folder)
    block = orders << 4  # of each file there are several
    assert (folder / "orders.csv").stat().st_size > 4 * block
    usual, rejected = messages(folder, block)
    assert messages(folder, block << 4) == (usual, rejected)
    assert messages(folder, block >> 2) == (usual, rejected)
    manifest = read_manifest(folder)
    assert manifest is not None
    rows = sum(manifest.files[name].rows for name in ("customers.csv", "products.csv", "order_events.csv"))
    if dirty:
        assert rejected > orders // 40
    else:
        assert (len(usual), rejected) == (rows, 0)


def test_a_folder_without_order_is_sorted_the_same_in_one_part_and_in_many(tmp_path: Path) -> None:
    folder, own = tmp_path / "seeds", tmp_path / "own"
    generate(ShopConfig(customers=200, products=50, orders=4_000), folder)
    shutil.copytree(folder, own)
    (own / "manifest.json").unlink()
    shuffled = random.Random(1)
    for name in ("orders.csv", "order_lines.csv", "order_events.csv"):
        header, *rows = (own / name).read_text().splitlines(keepends=True)
        shuffled.shuffle(rows)
        (own / name).write_text(header + "".join(rows))
    usual = messages(folder, 1 << 20)
    assert messages(own, 1 << 20) == usual
    assert messages(own, 1 << 17, sorted_bytes=40_000) == usual


def test_events_of_one_moment_are_ordered_over_all_parts(tmp_path: Path) -> None:
    generate(ShopConfig(customers=50, products=20, orders=300), tmp_path / "seeds")
    own = tmp_path / "own"
    shutil.copytree(tmp_path / "seeds", own)
    (own / "manifest.json").unlink()
    events = own / "order_events.csv"
    events.write_text(re.sub(r"2\d{3}-\d\d-\d\dT[^,]*Z", "2025-03-01T00:00:00.000Z", events.read_text()))
    found, rejected = messages(own, 1 << 20, sorted_bytes=10_000)
    assert rejected == 0
    orders = [
        (value["order_id"], value["version"])
        for value in map(json.loads, (v for _, v, _ in found))
        if "order_id" in value
    ]
    assert orders == sorted(orders)
    assert messages(own, 1 << 20) == (found, rejected)
