"""`local-snowflake`, or `python -m local_snowflake`: start, serve, stop."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import logging
import os
import re
import secrets
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_service.files import write_atomically
from local_service.hosts import OwnHosts, host_names
from local_service.service import (
    EXIT_INTERRUPTED,
    EXIT_NOT_WRITABLE,
    STATE_FILE,
    DataDir,
    ServiceError,
    announce,
    configure_logging,
    fail,
    port_error,
    read_state,
    seconds,
    service_parser,
    whole_number,
)

SERVICE = "local warehouse"
PASSWORD_VARIABLE = "LOCAL_SNOWFLAKE_PASSWORD"  # noqa: S105 - the name of it
_GRACE_SECONDS = 5
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container, whose network is private

log = logging.getLogger("warehouse")


def _password(folder: Path) -> str:
    """The password: given, or generated at the first start and kept."""
    given = os.environ.get(PASSWORD_VARIABLE)
    if given:
        return given
    path = folder / "password"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        password = secrets.token_urlsafe(24)
        write_atomically(path, password.encode() + b"\n")
        return password


def _host_names(text: str) -> tuple[str, ...]:
    try:
        return host_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]{0,254}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: use letters, digits, _ and $, beginning with a letter"
        )
    return text


def _identifier(text: str) -> str:
    return _name(text).upper()


def _size(text: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", text, re.IGNORECASE):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: give a number and KB, MB, GB or TB, such as 2GB")
    return text


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio turns Nagle off only where the protocol is named; with it on, every answer waits 40 ms
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(256)
    except OSError as error:
        raise port_error(SERVICE, host, port, error) from error
    return listening


def _publish(folder: DataDir, state: dict[str, Any]) -> None:
    """Write the state file; one that says the same already serves as well, for a start on a full disk."""
    try:
        folder.publish(state | {"started_at": dt.datetime.now(dt.UTC).isoformat()})
    except OSError as error:
        present = read_state(folder.path)
        if {key: present.get(key) for key in state} != state:
            raise
        log.warning("the state file stays as it is: %s", error)


def _start_again(port: int) -> None:
    """Become a new process of this pid, arguments and port: what was not committed is undone, as after a kill."""
    log.error("DuckDB has given the file up (a full disk?): starting again")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--port", str(port)])  # noqa: S606


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; the exit code."""
    parser = service_parser("local-snowflake", "A Snowflake-wire server on DuckDB, for this machine.")
    parser.add_argument(
        "--container", action="store_const", dest="host", const=_EVERYWHERE,
        help=f"listen on every interface: for a container on a private network, with {PASSWORD_VARIABLE}",
    )  # fmt: skip
    parser.add_argument(
        "--allowed-hosts", type=_host_names, default=(), metavar="NAMES",
        help="more names by which clients may call it (a comma between two), beside localhost and its address",
    )  # fmt: skip
    parser.add_argument("--account", type=_name, default="embedded", help="its name in answers (%(default)s)")
    parser.add_argument(
        "--user", type=_identifier, default="LOCAL", help="the first user, an ACCOUNTADMIN (%(default)s)"
    )
    parser.add_argument(
        "--database", type=_identifier, default="LOCAL", help="created when it is not there (%(default)s)"
    )
    parser.add_argument("--memory-limit", type=_size, default="2GB", help="DuckDB's memory (%(default)s)")
    parser.add_argument(
        "--threads", type=whole_number(1), default=os.cpu_count() or 2, help="DuckDB's threads (%(default)s)"
    )
    parser.add_argument(
        "--idle-transaction-seconds", type=seconds, default=300.0,
        help="roll back a transaction whose session does nothing for so long (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--contended-transaction-seconds", type=seconds, default=5.0,
        help="the same, when another session waits for one of its locks (%(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    configure_logging(options.log_level)
    if options.host == _EVERYWHERE and not os.environ.get(PASSWORD_VARIABLE):
        parser.error(f"--container needs a password in {PASSWORD_VARIABLE}")
    try:
        folder = DataDir.acquire(options.data_dir.absolute(), SERVICE)
        listening = _listen(options.host, options.port)
        return _serve(folder, listening, options)
    except ServiceError as error:
        return fail(error)
    except KeyboardInterrupt:  # before it served
        return EXIT_INTERRUPTED


def _how_to_connect(folder: Path, host: str, port: int, options: argparse.Namespace) -> str:
    """For standard output, which may be a log: where the password is instead of the password."""
    return (
        f'snowflake.connector.connect(account="{options.account}", user="{options.user}", password=..., '
        f'host="{host}", port={port}, protocol="http", database="{options.database}"); '
        f"the password is in {folder / STATE_FILE}"
    )


def _serve(folder: DataDir, listening: socket.socket, options: argparse.Namespace) -> int:
    import duckdb
    import uvicorn

    from local_snowflake.protocol.clients import Clients
    from local_snowflake.protocol.server import Server
    from local_snowflake.warehouse import Warehouse

    try:
        warehouse = Warehouse(
            folder.path,
            memory_limit=options.memory_limit,
            threads=options.threads,
            account=options.account,
            user=options.user,
        )
    except (OSError, duckdb.Error) as error:
        raise ServiceError(
            f"The {SERVICE} cannot open its data in {folder.path} ({str(error).splitlines()[0]}): make room if the "
            "disk is full, or move the folder away to begin with an empty one.",
            EXIT_NOT_WRITABLE,
        ) from error
    engine = warehouse.engine
    if not engine.catalog.has_database(options.database):
        with engine.store.control() as connection:
            engine.catalog.create_database(connection, options.database)
        engine.catalog.reload()
    password = _password(folder.path)
    clients = Clients(
        warehouse, password, options.idle_transaction_seconds, options.contended_transaction_seconds,
        lambda: _start_again(listening.getsockname()[1]),
    )  # fmt: skip
    warehouse.scheduler.start()
    config = uvicorn.Config(
        OwnHosts(Server(engine, clients).app, options.allowed_hosts, how_to_allow="start it with --allowed-hosts"),
        log_config=None, access_log=False, timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_SECONDS, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    host, port = listening.getsockname()[:2]

    async def run() -> None:
        stops = 0

        def stop() -> None:
            nonlocal stops
            stops += 1
            if stops > 1:
                os._exit(1)
            log.info("stopping")
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        serving = asyncio.create_task(server._serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        _publish(folder, {
            "pid": os.getpid(), "host": host, "port": port, "protocol": "http", "account": options.account,
            "user": options.user, "password": password, "database": options.database,
            "version": version("local-snowflake"),
        })  # fmt: skip
        gc.freeze()  # modules and grammars stay for ever; walking them again and again costs a twentieth of all
        announce(host, port, _how_to_connect(folder.path, host, port, options))
        log.info("serving on %s:%s", host, port)
        await serving

    asyncio.run(run())
    clients.close()
    warehouse.close()
    gc.unfreeze()  # DuckDB's binding reports what is frozen at the end as leaked
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
