"""Remove the generator's files from a folder, and nothing of somebody's own (`make clean`).

python -m dropship_dagster.shop.removal FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from dropship_dagster.shop.ownership import remove_generated


def main(arguments: list[str]) -> int:
    """Remove them, and say what stays."""
    folder = Path(arguments[0])
    if not folder.is_dir():
        return 0
    left = remove_generated(folder)
    if left:
        sys.stdout.write(f"{folder} keeps what Dropship did not write, or was changed since: {', '.join(left)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
