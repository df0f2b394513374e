"""The messages of a folder do not depend on how much of it is read at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropship_dagster.shop import Rejects, ShopConfig, generate, read_manifest
from dropship_dagster.stream.source import Seeds


def messages(folder: Path, block_bytes: int) -> tuple[list[tuple[bytes, bytes, int]], int]:
    """Key, value and time of every message in order, and how many rows were rejected."""
    with Rejects() as rejects:
        found = [
            message
            for block in Seeds(folder, rejects, block_bytes=block_bytes).messages()
            for message in zip(block.keys.to_pylist(), block.values.to_pylist(), block.times_ms.tolist(), strict=True)
        ]
        return found, rejects.count


@pytest.mark.parametrize("dirty", [0.0, 0.03])
def test_small_blocks_and_large_ones_give_the_same_messages(tmp_path: Path, dirty: float) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(customers=500, orders=40_000, dirty=dirty), folder)
    usual, rejected = messages(folder, 1 << 20)
    assert messages(folder, 1 << 23) == (usual, rejected)
    assert messages(folder, 1 << 17) == (usual, rejected)
    manifest = read_manifest(folder)
    assert manifest is not None
    rows = sum(manifest.files[name].rows for name in ("customers.csv", "products.csv", "order_events.csv"))
    if dirty:
        assert rejected > 1_000
    else:
        assert (len(usual), rejected) == (rows, 0)
