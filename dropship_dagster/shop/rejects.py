"""What a rejected row was, and the file in which rejected rows are listed."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from dropship_dagster.errors import listing
from dropship_dagster.shop.errors import ShopError, TooManyRejectsError
from local_service import privacy

HEADER = ("file", "line", "column", "reason", "row")
REJECT_SHARE = 0.05
"""The share of a file's rows that may break the contract: they are left out. More mean that the file is wrong."""

_LONGEST_ROW = 1_000
_ENOUGH_TO_JUDGE = 1_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Reject:
    """A row that breaks the contract, with all that is wrong with it.

    `line` counts from 1 with the header. `column` is empty for the whole row, and names several with commas.
    """

    file: str
    line: int
    column: str
    reason: str
    row: str

    @classmethod
    def of_cells(cls, file: str, line: int, faults: Mapping[str, str], row: str) -> Self:
        """A row of which cells are wrong: `faults` has the reason by column."""
        if len(faults) == 1:
            [(column, reason)] = faults.items()
            return cls(file, line, column, reason, row)
        reasons = "; ".join(f"{column}: {reason}" for column, reason in faults.items())
        return cls(file, line, ", ".join(faults), reasons, row)


class Rejects:
    """Collects rejected rows: counts them all, writes them to a file if one is given, and stops when they are many.

    Cells of the file are safe to open in a spreadsheet. The file is written anew each time and exists only when
    something was rejected.
    """

    def __init__(self, path: Path | None = None, *, share_limit: float = 1.0, keep: int = 0) -> None:
        """`share_limit`: the share of a file's rows above which reading stops. `keep`: rejects to hold in `kept`.

        Raises:
            ShopError: the file of an earlier time cannot be removed.
        """
        self.path = path
        self.kept: list[Reject] = []
        self._keep = keep
        self._share_limit = share_limit
        self._rejected: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._file: IO[str] | None = None
        self._writer: Any = None
        if path is not None:
            with listing("rejected rows", path, ShopError):
                path.unlink(missing_ok=True)

    @property
    def count(self) -> int:
        """Rejected rows of all files."""
        return self._rejected.total()

    def of(self, file: str) -> int:
        """Rejected rows of one file."""
        return self._rejected[file]

    def rows_of(self, file: str) -> int:
        """Rows seen of one file, rejected ones included."""
        return self._rows[file]

    def add(self, reject: Reject) -> None:
        """Note a rejected row.

        Raises:
            ShopError: the file cannot be written.
        """
        self._rejected[reject.file] += 1
        if len(self.kept) < self._keep:
            self.kept.append(reject)
        if self.path is not None:
            with listing("rejected rows", self.path, ShopError):
                self._write(self.path, reject)

    def seen(self, file: str, rows: int, *, ended: bool = False) -> None:
        """Note that rows of a file were read.

        Raises:
            TooManyRejectsError: too large a share of them was rejected.
        """
        self._rows[file] += rows
        total = self._rows[file]
        if not total or not (ended or total >= _ENOUGH_TO_JUDGE):
            return
        if self._rejected[file] / total > self._share_limit:
            where = f"see {self.path}" if self.path else "name a rejects file to see them"
            raise TooManyRejectsError(
                f"{file}: {self._rejected[file]:,} of {total:,} rows break the contract, more than the "
                f"{self._share_limit:.1%} allowed; {where}, correct the file, or allow a larger share (--reject-share)."
            )

    def close(self) -> None:
        """Close the file.

        Raises:
            ShopError: what was listed last cannot be written.
        """
        if self.path is not None and self._file is not None:
            file, self._file = self._file, None
            with listing("rejected rows", self.path, ShopError):
                file.close()

    def _write(self, path: Path, reject: Reject) -> None:
        if self._file is None:
            privacy.make_folder(path.parent)
            self._file = open(path, "w", encoding="utf-8", newline="", opener=privacy.opener)  # noqa: SIM115
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(HEADER)
        row = reject.row.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")[:_LONGEST_ROW]
        self._writer.writerow([reject.file, reject.line, reject.column, reject.reason, spreadsheet_safe(row)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def refuse_link(folder: Path, file: str) -> Path:
    """The path of a file that lies in the folder itself.

    Raises:
        ShopError: the name leads out of the folder, or the file is a symbolic link.
    """
    if Path(file).name != file or file in ("", ".", ".."):
        raise ShopError(f"{file!r} is no file name: name a file of the folder {folder}, without a path.")
    path = folder / file
    if path.is_symlink():
        raise ShopError(f"{path} is a symbolic link: put the file itself into the folder.")
    return path


def spreadsheet_safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe in front.

    For files made for people (the rejects file, reports), not for data files, whose cells must stay as they are
    (owasp.org/www-community/attacks/CSV_Injection).
    """
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell
