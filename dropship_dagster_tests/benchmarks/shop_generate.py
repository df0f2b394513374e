"""How fast the shop is generated, alone and against the generators of peers.

    python -m dropship_dagster_tests.benchmarks.shop_generate [--orders N] [--peers PYTHON]

`--peers` names the Python of an environment with mimesis (pip install mimesis): it makes orders of about the same
columns, one dictionary an order, written with csv.writer. Prints one JSON object.
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

_MIMESIS = """
import csv, sys, time
from mimesis import Generic, Locale
g = Generic(Locale.FR, seed=42)
rows = int(sys.argv[1])
began = time.perf_counter()
with open(sys.argv[2], "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\\n")
    for number in range(rows):
        writer.writerow([
            f"O{number:08d}", f"C{g.numeric.integer_number(1, 1000):07d}", g.datetime.datetime().isoformat(),
            g.choice(["web", "mobile_app"]), g.choice(["FR", "DE", "BE"]), "EUR", "1.0000",
            g.choice(["card", "paypal"]), "", g.numeric.integer_number(0, 1000) / 100, "4.90",
            g.numeric.integer_number(1000, 20000) / 100, g.datetime.datetime().isoformat(),
        ])
print(rows / (time.perf_counter() - began))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--peers", help="the Python of an environment with mimesis")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(Path(scratch), options.orders, options.customers)
        if options.peers:
            peer = mimesis(options.peers, Path(scratch), 100_000)
            figures["mimesis_rows_per_second"] = round(peer)
            figures["times_mimesis"] = round(figures["rows_per_second"] / peer, 1)
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


def mimesis(python: str, scratch: Path, rows: int) -> float:
    """Rows a second of the same columns as orders.csv by mimesis."""
    command = [python, "-c", _MIMESIS, str(rows), str(scratch / "mimesis.csv")]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
