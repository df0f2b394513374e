"""A consumer as a program, for tests that stop, continue and kill it. Reads its orders as JSON from standard input.

`die_at` kills the process with SIGKILL at one line: "after_copy" (in the transaction, nothing committed) or
"after_commit" (committed, nobody told). `hold_before_commit` waits until that file is gone. The last line is the
report, with the most memory the process has held.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.warehouse import LoadOptions, commit, load, loader
from local_service_tests.processors import peak_megabytes


def main() -> int:
    request = json.load(sys.stdin)
    endpoint = WarehouseEndpoint(**request.pop("endpoint"))
    client_config, tables = request.pop("client_config"), request.pop("tables")
    _arm(request.pop("die_at", None), request.pop("hold_before_commit", None))
    try:
        report = load(
            endpoint,
            client_config,
            tables,
            LoadOptions(**request),
            progress=lambda progress: print(f"committed {progress.events}", flush=True),
            on_state=lambda state: print(f"state {state}", flush=True),
        )
    except DropshipError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({**json.loads(report.to_json()), "peak_megabytes": peak_megabytes(os.getpid())}))
    return 0


def _arm(die_at: str | None, hold: str | None) -> None:
    whole, advance = loader.commit_batch, commit._advance

    def committing(*arguments: Any) -> Any:
        if hold:
            Path(f"{hold}.reached").touch()
            while Path(hold).exists():
                time.sleep(0.02)
        done = whole(*arguments)
        if die_at == "after_commit":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def advancing(*arguments: Any) -> None:
        if die_at == "after_copy":
            os.kill(os.getpid(), signal.SIGKILL)
        advance(*arguments)

    loader.commit_batch, commit._advance = committing, advancing


if __name__ == "__main__":
    sys.exit(main())
