"""Requests that a page of another site makes in the reader's browser, at every HTTP server of the platform."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings, SettingsError
from dropship_dagster_tests.dashboard.platform import dashboard, platform_in
from local_service_tests.free_ports import free_ports
from local_snowflake_tests.server import Server

PATIENCE = 120.0
MUTATION = "mutation { reloadWorkspace { __typename } }"
HANDSHAKE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "graphql-ws, streamlit",
}  # fmt: skip
"""As in RFC 6455 section 1.3; each server knows one of the protocols."""


def ask(
    port: int, path: str = "/", method: str = "GET", body: str | None = None, **headers: str | None
) -> tuple[int, str]:
    """Status and text of one request with just these headers; `_` in a name is `-`, None leaves the usual one out."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    for name, value in given.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode() if body else None)
    answer = connection.getresponse()
    found = answer.status, "" if answer.status == 101 else answer.read().decode(errors="replace")
    connection.close()
    return found


def upgraded(port: int, path: str, headers: Mapping[str, str]) -> int:
    """The status with which a server answers the handshake of a WebSocket."""
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**HANDSHAKE, **headers}.items()), "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(4096).split()[1])


OURS = ("localhost", "LOCALHOST", "127.0.0.1", "127.0.0.1:{port}", "localhost:{port}", "localhost:1", "[::1]:{port}",
        "[::1]")  # fmt: skip
FOREIGN = (
    "rebound.example", "rebound.example:{port}", "localhost.rebound.example", "127.0.0.1.rebound.example", "0.0.0.0",
    "10.1.2.3:{port}", "", "localhost@rebound.example", "localhost rebound.example", "[::1", "localhost:x", "<b>" * 50,
)  # fmt: skip


@pytest.mark.parametrize("host", OURS)
def test_the_warehouse_answers_to_its_own_names(warehouse: WarehouseEndpoint, host: str) -> None:
    port = warehouse.connect_args["port"]
    assert ask(port, Host=host.format(port=port)) == (200, "local warehouse\n")


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/session/v1/login-request", "/nothing/here"])
def test_the_warehouse_refuses_every_other_name_with_a_sentence(
    warehouse: WarehouseEndpoint, host: str, path: str
) -> None:
    port = warehouse.connect_args["port"]
    status, text = ask(port, path, "POST", "{}", Host=host.format(port=port))
    assert status == 403
    assert "use localhost or 127.0.0.1" in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:{port}", 200),
        ("http://localhost:1", 403),
        ("http://127.0.0.1:{port}", 403),
        ("http://rebound.example", 403),
        ("null", 403),
        ("file://", 403),
        ("http://localhost:{port}@rebound.example", 403),
    ],
)
def test_a_page_of_another_origin_may_not_use_the_warehouse(
    warehouse: WarehouseEndpoint, origin: str, status: int
) -> None:
    port = warehouse.connect_args["port"]
    assert ask(port, Host=f"localhost:{port}", Origin=origin.format(port=port))[0] == status


def test_a_link_of_another_site_leads_here_and_a_picture_or_script_of_it_does_not(warehouse: WarehouseEndpoint) -> None:
    port = warehouse.connect_args["port"]
    for site, mode, status in (
        ("cross-site", "navigate", 200), ("cross-site", "no-cors", 403), ("same-site", "cors", 403),
        ("same-origin", "cors", 200), ("none", "navigate", 200),
    ):  # fmt: skip
        assert ask(port, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)[0] == status, (site, mode)


def test_two_hosts_are_none(warehouse: WarehouseEndpoint) -> None:
    with socket.create_connection(("127.0.0.1", warehouse.connect_args["port"]), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n")
        assert connection.recv(4096).split()[1] in (b"400", b"403")


def test_the_warehouse_learns_more_names_from_its_arguments(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--allowed-hosts", "warehouse, shop.example")
    server.start()
    try:
        port = server.state["port"]
        for host, status in {"warehouse": 200, "SHOP.example:443": 200, "other.example": 403}.items():
            assert ask(port, Host=host)[0] == status
        assert ask(port, Host="127.0.0.1", Origin="https://shop.example")[0] == 200
    finally:
        server.stop()


def test_names_are_given_by_a_setting_and_one_that_is_none_is_refused() -> None:
    settings = Settings.load(DROPSHIP_ALLOWED_HOSTS="Shop.example, 10.0.0.7,[fd00::1] ,")
    assert settings.allowed_hosts == ("shop.example", "10.0.0.7", "fd00::1")
    for wrong in ("https://shop.example", "shop.example:8501", "*"):
        with pytest.raises(SettingsError, match=r"DROPSHIP_ALLOWED_HOSTS.*without a scheme and a port"):
            Settings.load(DROPSHIP_ALLOWED_HOSTS=wrong)


@pytest.fixture(scope="module")
def dagster_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Dagster's UI over an empty workspace, started as `dropship up` does; also called dagster.example."""
    folder: Path = tmp_path_factory.mktemp("dagster-ui")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "dropship_dagster.automation.webserver", "-h", "127.0.0.1", "-p", str(port)]
    (folder / "workspace.yaml").write_text("load_from: []\n")
    environment = {**os.environ, "DAGSTER_HOME": str(folder), "DROPSHIP_ALLOWED_HOSTS": "dagster.example"}
    server = subprocess.Popen([*command, "-w", str(folder / "workspace.yaml")], cwd=PROJECT_ROOT, env=environment)
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(120)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            if ask(port, "/server_info")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nobody answers on {port}")


def test_dagsters_ui_answers_its_own_pages_and_no_page_of_another_site(dagster_port: int) -> None:
    own = {"Host": f"localhost:{dagster_port}", "Content_Type": "application/json"}
    query = json.dumps({"query": MUTATION})
    assert ask(dagster_port, "/graphql", "POST", query, **own, Origin=f"http://localhost:{dagster_port}")[0] == 200
    assert (
        ask(dagster_port, "/graphql", "POST", query, Host="dagster.example", Content_Type="application/json")[0] == 200
    )
    for foreign in (
        {**own, "Host": "rebound.example"},
        {**own, "Origin": "http://rebound.example"},
        {**own, "Origin": "null"},
        {**own, "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ):
        status, text = ask(dagster_port, "/graphql", "POST", query, **foreign)
        assert status == 403, foreign
        assert "DROPSHIP_ALLOWED_HOSTS" in text or "link" in text
    picture = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Accept": "image/*"}
    path = "/graphql?query=mutation%7BreloadWorkspace%7B__typename%7D%7D"
    assert ask(dagster_port, path, Accept="*/*")[0] == 200, "Dagster runs mutations by GET"
    assert ask(dagster_port, path, **picture)[0] == 403


def test_dagsters_websocket_is_for_its_own_pages(dagster_port: int) -> None:
    host = f"localhost:{dagster_port}"
    assert upgraded(dagster_port, "/graphql", {"Host": host, "Origin": f"http://{host}"}) == 101
    assert upgraded(dagster_port, "/graphql", {"Host": host, "Origin": "http://rebound.example"}) == 403
    assert upgraded(dagster_port, "/graphql", {"Host": "rebound.example", "Origin": "http://rebound.example"}) == 403


@pytest.fixture(scope="module")
def dashboard_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The dashboard without a warehouse and without a folder of reports."""
    root: Path = tmp_path_factory.mktemp("dashboard-hosts")
    with dashboard(platform_in(root / "home", root), root / "dashboard.log", "server.py") as url:
        yield urlsplit(url).port or 0


def test_the_dashboard_answers_its_own_pages_and_no_page_of_another_site(dashboard_port: int) -> None:
    host = f"127.0.0.1:{dashboard_port}"
    for path in ("/", "/products", "/_stcore/health", "/_stcore/host-config"):
        assert ask(dashboard_port, path, Host=host)[0] == 200
        status, text = ask(dashboard_port, path, Host="rebound.example")
        assert status == 403
        assert "DROPSHIP_ALLOWED_HOSTS" in text
    assert upgraded(dashboard_port, "/_stcore/stream", {"Host": host, "Origin": f"http://{host}"}) == 101
    assert upgraded(dashboard_port, "/_stcore/stream", {"Host": host, "Origin": "http://rebound.example"}) == 403
    assert upgraded(dashboard_port, "/_stcore/stream", {"Host": "rebound.example"}) == 403


@pytest.mark.parametrize("path", ["validation.json", "", "runs/a.html", "%00", "../../etc/passwd", "a" * 5000])
def test_a_report_that_is_not_there_is_not_found_also_without_the_folder(dashboard_port: int, path: str) -> None:
    status, text = ask(dashboard_port, f"/reports/{path}", Host=f"127.0.0.1:{dashboard_port}")
    assert status in (400, 404)
    assert "Traceback" not in text
