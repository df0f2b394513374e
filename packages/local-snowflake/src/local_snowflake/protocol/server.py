"""The HTTP side: Snowflake's connector protocol on Starlette, for clients on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import zlib
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from local_snowflake.engine.engine import Engine
from local_snowflake.errors import Code, SnowflakeError
from local_snowflake.protocol.clients import (
    Client,
    Clients,
    Query,
    failure,
    final_state,
    parameters,
)
from local_snowflake.syntax.lexer import Cursor

log = logging.getLogger("warehouse.server")
Json = dict[str, Any]

_ANSWER_SECONDS = 20.0
"""After so long a client is told to ask again (codes 333333 and 333334)."""
_BODY_BYTES = 256 << 20
_IN_PROGRESS, _IN_PROGRESS_ASYNC = "333333", "333334"


class _BadRequest(Exception):  # noqa: N818
    """A request that no client of ours sends."""


async def _body(request: Request) -> Json:
    """The JSON of a request, unpacked if it is gzipped; bounded in both forms."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _BODY_BYTES:
            raise _BadRequest("the request is too large")
    try:
        raw = bytes(content)
        if request.headers.get("content-encoding") == "gzip":
            unpacker = zlib.decompressobj(31)
            raw = unpacker.decompress(raw, _BODY_BYTES)
            if unpacker.unconsumed_tail:
                raise _BadRequest("the request is too large")
        body = json.loads(raw or b"{}")
    except (zlib.error, ValueError, RecursionError) as error:
        raise _BadRequest("the request is not JSON") from error
    if not isinstance(body, dict):
        raise _BadRequest("the request is not a JSON object")
    return body


def _token(request: Request) -> str:
    found = re.fullmatch(r'Snowflake Token="(.*)"', request.headers.get("authorization", ""))
    return found[1] if found else ""


def _why_failed(query: Query) -> Json:
    """The error of a query that has failed, as clients of asynchronous queries read it."""
    answer = query.future.result() if query.future.done() else {"success": True}
    return {} if answer["success"] else {"errorCode": answer["code"], "errorMessage": answer["message"]}


def _no_session() -> JSONResponse:
    return JSONResponse(
        {
            "success": False,
            "code": Code.NOT_LOGGED_IN.digits,
            "message": "User must login again to access the service.",
            "data": None,
        }
    )


def _identifier(text: str | None) -> str | None:
    return Cursor(text).identifier() if text else None


class Server:
    """The routes, over an engine and its clients."""

    def __init__(self, engine: Engine, clients: Clients) -> None:
        self._engine, self._clients = engine, clients
        self.app = Starlette(
            routes=[
                Route("/session/v1/login-request", self._log_in, methods=["POST"]),
                Route("/session/token-request", self._renew, methods=["POST"]),
                Route("/session/heartbeat", self._heartbeat, methods=["POST"]),
                Route("/session", self._session, methods=["POST"]),
                Route("/queries/v1/query-request", self._query, methods=["POST"]),
                Route("/queries/v1/abort-request", self._abort, methods=["POST"]),
                Route("/queries/{query_id}/abort-request", self._abort_query, methods=["POST"]),
                Route("/queries/{query_id}/result", self._result, methods=["GET"]),
                Route("/monitoring/queries/{query_id}", self._monitor, methods=["GET"]),
                Route("/results/{query_id}/{index:int}", self._chunk, methods=["GET"]),
                Route("/telemetry/send", self._telemetry, methods=["POST"]),
                Route("/", self._alive, methods=["GET"]),
            ],
            exception_handlers={_BadRequest: self._bad_request, ClientDisconnect: self._left, Exception: self._broken},
        )

    async def _bad_request(self, _: Request, error: Exception) -> Response:
        return JSONResponse(
            {"success": False, "code": Code.BAD_REQUEST.digits, "message": str(error), "data": None}, 400
        )

    async def _left(self, request: Request, _: Exception) -> Response:
        """A client was killed while it sent a request: nothing of it has run, and nobody reads the answer."""
        log.info("a client left before its request %s was complete", request.url.path)
        return Response(status_code=400)

    async def _broken(self, request: Request, error: Exception) -> Response:
        log.error("request %s", request.url.path, exc_info=error)
        return JSONResponse(
            {"success": False, "code": Code.INTERNAL.digits, "message": "internal error", "data": None}, 500
        )

    async def _alive(self, _: Request) -> Response:
        return Response("local warehouse\n", media_type="text/plain")

    async def _telemetry(self, _: Request) -> Response:
        return JSONResponse({"success": True, "code": None, "message": None, "data": None})

    # sessions ---------------------------------------------------------------------------------------------------

    async def _log_in(self, request: Request) -> Response:
        data = (await _body(request)).get("data")
        if not isinstance(data, dict):
            raise _BadRequest("the log-in has no data")
        authenticator = str(data.get("AUTHENTICATOR", "SNOWFLAKE")).upper()
        if authenticator not in ("SNOWFLAKE", "SNOWFLAKE_PASSWORD", "SNOWFLAKE_JWT"):
            error = SnowflakeError(
                "The local warehouse knows passwords and key pairs only, no other authenticator.",
                Code.WRONG_AUTHENTICATOR,
                "08001",
            )
            return JSONResponse(failure(error, ""))
        names = request.query_params
        settings = data.get("SESSION_PARAMETERS") or {}
        if data.get("CLIENT_APP_ID") == "JavaScript":  # its driver reads no Arrow
            settings = {"QUERY_RESULT_FORMAT": "JSON", **settings}
        try:
            client = await asyncio.to_thread(
                self._clients.log_in,
                str(data.get("LOGIN_NAME", "")), str(data.get("PASSWORD", "")),
                str(data.get("TOKEN", "")) if authenticator == "SNOWFLAKE_JWT" else None,
                database=_identifier(names.get("databaseName")), schema=_identifier(names.get("schemaName")),
                role=_identifier(names.get("roleName")), warehouse=_identifier(names.get("warehouse")),
                parameters=settings,
            )  # fmt: skip
        except SnowflakeError as error:
            return JSONResponse(failure(error, ""))
        session = client.session
        info = {
            "databaseName": session.database, "schemaName": session.schema, "warehouseName": session.warehouse,
            "roleName": session.role,
        }  # fmt: skip
        return JSONResponse({
            "success": True, "code": None, "message": None,
            "data": {
                "token": client.token, "masterToken": client.master_token, "validityInSeconds": 3600,
                "masterValidityInSeconds": 14400, "displayUserName": session.user, "serverVersion": "10.0.0",
                "firstLogin": False, "healthCheckInterval": 45, "sessionId": int(session.id, 16) >> 8,
                "parameters": parameters(session), "sessionInfo": info,
            },
        })  # fmt: skip

    async def _renew(self, request: Request) -> Response:
        client = self._clients.renew(_token(request))
        if client is None:
            return _no_session()
        data = {
            "sessionToken": client.token, "masterToken": client.master_token, "validityInSecondsST": 3600,
            "validityInSecondsMT": 14400, "sessionId": int(client.session.id, 16) >> 8,
        }  # fmt: skip
        return JSONResponse({"success": True, "code": None, "message": None, "data": data})

    async def _heartbeat(self, request: Request) -> Response:
        if self._clients.find(_token(request)) is None:
            return _no_session()
        return JSONResponse({"success": True, "code": None, "message": None, "data": None})

    async def _session(self, request: Request) -> Response:
        client = self._clients.find(_token(request))
        if client is None:
            return _no_session()
        if request.query_params.get("delete"):
            await asyncio.to_thread(self._clients.log_out, client)
        return JSONResponse({"success": True, "code": None, "message": None, "data": None})

    # queries ----------------------------------------------------------------------------------------------------

    async def _query(self, request: Request) -> Response:
        client = self._clients.find(_token(request))
        if client is None:
            return _no_session()
        body = await _body(request)
        request_id = request.query_params.get("requestId", "")
        base = f"{request.url.scheme}://{request.url.netloc}"
        query = self._clients.submit(client, body, request_id, base)
        if body.get("asyncExec"):
            data = {"queryId": query.id, "getResultUrl": f"/queries/{query.id}/result", "queryAbortsAfterSecs": 300,
                    **final_state(client.session)}  # fmt: skip
            return JSONResponse({"success": True, "code": _IN_PROGRESS_ASYNC, "message": None, "data": data})
        return await self._wait(query)

    async def _wait(self, query: Query) -> Response:
        """The answer; after a while the advice to ask again."""
        future: Future[Json] = query.future
        with contextlib.suppress(TimeoutError):
            answer = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), _ANSWER_SECONDS)
            return JSONResponse(answer)
        data = {"queryId": query.id, "getResultUrl": f"/queries/{query.id}/result", "queryAbortsAfterSecs": 300}
        message = "Query execution in progress. Ask for its result again."
        return JSONResponse({"success": True, "code": _IN_PROGRESS, "message": message, "data": data})

    def _find(self, request: Request) -> tuple[Client | None, Query | None]:
        client = self._clients.find(_token(request))
        return client, client.find(request.path_params["query_id"]) if client else None

    async def _result(self, request: Request) -> Response:
        client, query = self._find(request)
        if client is None:
            return _no_session()
        if query is None:
            error = SnowflakeError(
                "The result of this query is not kept any more; run it again.", Code.NO_RESULT, "02000"
            )
            return JSONResponse(failure(error, request.path_params["query_id"]))
        return await self._wait(query)

    async def _monitor(self, request: Request) -> Response:
        client, query = self._find(request)
        if client is None:
            return _no_session()
        queries = []
        if query is not None:
            state = "RUNNING"
            if query.future.done():
                state = "SUCCESS" if query.future.result()["success"] else "FAILED_WITH_ERROR"
            queries = [{"id": query.id, "status": state, **_why_failed(query)}]
        return JSONResponse({"success": True, "code": None, "message": None, "data": {"queries": queries}})

    async def _abort(self, request: Request) -> Response:
        client = self._clients.find(_token(request))
        if client is None:
            return _no_session()
        body = await _body(request)
        self._clients.cancel(client, str(body.get("requestId", "")))
        return JSONResponse({"success": True, "code": None, "message": None, "data": None})

    async def _abort_query(self, request: Request) -> Response:
        """What `SnowflakeCursor.abort_query` asks for, which names a query instead of a request."""
        client, query = self._find(request)
        if client is None:
            return _no_session()
        stopped = query is not None and self._clients.cancel(client, query.request_id)
        return JSONResponse({"success": stopped, "code": None, "message": None, "data": None})

    async def _chunk(self, request: Request) -> Response:
        """A further part of a large result. Its name is a secret of the answer, as a pre-signed URL is."""
        query_id = request.path_params["query_id"]
        if not re.fullmatch(r"[0-9a-f-]{36}", query_id):
            return Response(status_code=404)
        path: Path = self._engine.store.results / f"{query_id}.{request.path_params['index']}"
        if not path.is_file():
            return Response(status_code=404)
        return FileResponse(path, media_type="application/octet-stream")
