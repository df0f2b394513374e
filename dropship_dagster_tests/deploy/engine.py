"""The part of Docker's Engine API that Dagster's run launcher uses, with processes for containers.

No engine is at hand; what can be shown without one is that the launcher's request is whole: the container's process
gets the command, the image's entry point and the environment of the request, and nothing of this machine's.
Source: docs.docker.com/reference/api/engine/version/v1.47
"""

from __future__ import annotations

import http.server
import json
import re
import socketserver
import subprocess
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropship_dagster_tests.deploy.image import Image


@dataclass
class Container:
    """A container that was asked for."""

    id: str
    request: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None

    @property
    def status(self) -> str:
        if self.process is None:
            return "created"
        return "running" if self.process.poll() is None else "exited"


@dataclass
class Engine:
    """Listens on a Unix socket until `close`."""

    image: Image
    name: str
    network: str
    log: Path
    containers: dict[str, Container] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.socket = self.image.root / "docker.sock"
        self._server = _Server(str(self.socket), _handler(self))
        self.socket.chmod(0o666)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON of a request."""
        path = re.sub(r"^/v[\d.]+", "", path).partition("?")[0]
        if path == "/version":
            return 200, {"Version": "27.0.0", "ApiVersion": "1.47", "MinAPIVersion": "1.24"}
        if (method, path) == ("POST", "/containers/create"):
            return self._create(body)
        found = re.fullmatch(r"/containers/([0-9a-f]+)/(json|start|stop)", path)
        if not found or found[1] not in self.containers:
            return 404, {"message": f"no such thing here: {method} {path}"}
        container = self.containers[found[1]]
        if found[2] == "start":
            environment = dict(entry.partition("=")[::2] for entry in container.request["Env"])
            container.process = self.image.start(container.request["Cmd"], environment, self.log)
            return 204, None
        if found[2] == "stop" and container.process:
            container.process.terminate()
            return 204, None
        if container.status == "exited" and container.request["HostConfig"].get("AutoRemove"):
            return 404, {"message": f"No such container: {container.id}"}
        state = {"Status": container.status, "Running": container.status == "running"}
        return 200, {"Id": container.id, "Name": "/run", "State": state, "Config": container.request}

    def _create(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["Image"] != self.name:
            return 404, {"message": f"No such image: {body['Image']}"}
        if body["HostConfig"].get("NetworkMode") != self.network:
            return 404, {"message": f"network {body['HostConfig'].get('NetworkMode')} not found"}
        container = Container(uuid.uuid4().hex, body)
        self.containers[container.id] = container
        return 201, {"Id": container.id, "Warnings": []}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def _handler(engine: Engine) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply("GET")

        def do_POST(self) -> None:
            self._reply("POST")

        def log_message(self, *_: Any) -> None:
            """Quiet: a Unix socket has no address to log."""

        def _reply(self, method: str) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = engine.answer(method, self.path, json.loads(text) if text else {})
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
