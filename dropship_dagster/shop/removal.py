"""Remove a generated data set, and nothing of somebody's own (`make clean`).

One changed file makes the whole set somebody's own: what is left of a set without the others cannot be loaded.

python -m dropship_dagster.shop.removal FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from dropship_dagster.shop.ownership import own_files, remove_generated


def main(arguments: list[str]) -> int:
    """Remove them, and say what stays."""
    folder = Path(arguments[0])
    if not folder.is_dir():
        return 0
    own = own_files(folder)
    if own:
        sys.stdout.write(f"{folder} stays as it is: {', '.join(own)} were not written by Dropship, or changed since\n")
        return 0
    left = remove_generated(folder)
    if left:
        sys.stdout.write(f"{folder} keeps what Dropship did not write, or was changed since: {', '.join(left)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
