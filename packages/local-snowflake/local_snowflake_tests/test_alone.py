"""`pip install packages/local-snowflake` is all that a server needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import snowflake.connector

from local_service_tests.alone import install_alone, started
from local_snowflake_tests.server import Session, eventually


@pytest.mark.slow
def test_one_command_installs_a_server_on_which_a_task_moves_the_rows_of_a_stream(tmp_path: Path) -> None:
    commands = install_alone(Path(__file__).parents[1], tmp_path)
    with started(commands / "local-snowflake", tmp_path / "data") as state:
        keys = ("account", "user", "password", "host", "port", "protocol", "database")
        with snowflake.connector.connect(**{key: state[key] for key in keys}) as connection:
            session = Session(connection)
            session.run("CREATE TABLE ORDERS (ID NUMBER)")
            session.run("CREATE TABLE COPIED (ID NUMBER)")
            session.run("CREATE STREAM NEW_ORDERS ON TABLE ORDERS")
            session.run("CREATE TASK MOVE AS INSERT INTO COPIED SELECT ID FROM NEW_ORDERS")
            session.run("INSERT INTO ORDERS VALUES (1), (2)")
            session.run("EXECUTE TASK MOVE")
            rows = eventually(lambda: session.run("SELECT ID FROM COPIED ORDER BY ID"), "the task has moved them")
    assert rows == [(1,), (2,)]
