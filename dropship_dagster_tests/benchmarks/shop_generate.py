"""How fast the shop is generated, alone and against the generators of peers, in one run.

    python -m dropship_dagster_tests.benchmarks.shop_generate [--orders N] [--peers]

`--peers` installs mimesis and jafgen from the package index into a temporary environment. mimesis makes orders of
about the same columns, one row at a time, written with csv.writer; jafgen makes a year of its own shop. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from dropship_dagster.shop import ShopConfig, generate
from dropship_dagster_tests.benchmarks.peers import environment

_MIMESIS_ROWS = 100_000
_MIMESIS = """
import csv, sys
from mimesis import Generic, Locale
g = Generic(Locale.FR, seed=42)
rows = int(sys.argv[1])
with open(sys.argv[2], "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\\n")
    for number in range(rows):
        writer.writerow([
            f"O{number:08d}", f"C{g.numeric.integer_number(1, 1000):07d}", g.datetime.datetime().isoformat(),
            g.choice(["web", "mobile_app"]), g.choice(["FR", "DE", "BE"]), "EUR", "1.0000",
            g.choice(["card", "paypal"]), "", g.numeric.integer_number(0, 1000) / 100, "4.90",
            g.numeric.integer_number(1000, 20000) / 100, g.datetime.datetime().isoformat(),
        ])
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--peers", action="store_true", help="measure mimesis and jafgen too; needs a package index")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        python = environment(Path(scratch) / "peers", "mimesis", "jafgen") if options.peers else None
        figures = measure(Path(scratch), options.orders, options.customers)
        if python is not None:
            for name, peer in (("mimesis", mimesis), ("jafgen", jafgen)):
                clock, cpu = peer(python, Path(scratch))
                figures[f"{name}_rows_per_second"] = round(clock)
                figures[f"{name}_rows_per_cpu_second"] = round(cpu)
                figures[f"times_{name}"] = round(figures["rows_per_second"] / clock, 1)
                figures[f"times_{name}_by_cpu"] = round(figures["rows_per_cpu_second"] / cpu, 1)
    print(json.dumps(figures, indent=2))


def measure(scratch: Path, orders: int, customers: int) -> dict[str, float]:
    """Rows of all files a second, first call to durable folder, and the process's largest memory."""
    generate(ShopConfig(orders=100), scratch / "warm")  # imports and name pools are start-up, not rows
    began, cpu = time.perf_counter(), time.process_time()
    manifest = generate(ShopConfig(orders=orders, customers=customers), scratch / "seeds")
    seconds = time.perf_counter() - began
    return {
        "orders": orders,
        "rows": manifest.rows,
        "bytes": sum(facts.bytes for facts in manifest.files.values()),
        "seconds": round(seconds, 2),
        "rows_per_second": round(manifest.rows / seconds),
        "rows_per_cpu_second": round(manifest.rows / (time.process_time() - cpu)),
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def mimesis(python: Path, scratch: Path) -> tuple[float, float]:
    """Rows of about the columns of orders.csv, a second of the clock and a second of the processor."""
    out = scratch / "mimesis.csv"
    seconds, cpu = _run([str(python), "-c", _MIMESIS, str(_MIMESIS_ROWS), str(out)], scratch)
    return _rows(out) / seconds, _rows(out) / cpu


def jafgen(python: Path, scratch: Path) -> tuple[float, float]:
    """Rows of all files of a year, a second of the clock and a second of the processor."""
    seconds, cpu = _run([str(python.with_name("jafgen")), "1"], scratch)
    rows = sum(_rows(path) for path in (scratch / "jaffle-data").glob("*.csv"))
    return rows / seconds, rows / cpu


def _run(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of the clock and of the processor, start-up included."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def _rows(path: Path) -> int:
    """Lines of a file without its header, if it has one."""
    return path.read_bytes().count(b"\n") - (path.parent.name == "jaffle-data")


if __name__ == "__main__":
    main()
