"""Clients: their tokens, sessions and queries.

A query runs in a thread of its own pool. Its request may be repeated (a client that lost the answer does so): the
same requestId gets the first answer. Clients of a long query are told to ask again, and so may detach.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from local_snowflake.engine.access import ADMINISTRATOR, PUBLIC
from local_snowflake.engine.users import has_password, has_token
from local_snowflake.errors import Code, SnowflakeError, invalid, refuse, statement_count
from local_snowflake.protocol import rowset
from local_snowflake.results import Result, StatementType, table
from local_snowflake.session.session import Session
from local_snowflake.statements.executemany import execute_many
from local_snowflake.statements.execution import describe, execute
from local_snowflake.syntax.script import parts
from local_snowflake.syntax.statement import Statement
from local_snowflake.warehouse import Warehouse

log = logging.getLogger("warehouse.clients")
Json = dict[str, Any]

_KEPT_QUERIES = 32
_THREADS = 256
_SESSION_SECONDS = 4 * 3600
_REAP_SECONDS = 0.5
_FAREWELL_SECONDS = 1.0
"""For the answers that say why everybody has to log in again."""


@dataclass
class Query:
    """A request to run a statement, and its answer.

    Attributes:
        parts: of a request with several statements, the queries of each.
    """

    id: str
    request_id: str
    future: Future[Json]
    chunks: int = 0
    parts: dict[str, Query] = field(default_factory=dict)


@dataclass
class Client:
    """One log-in."""

    session: Session
    token: str
    master_token: str
    queries: OrderedDict[str, Query] = field(default_factory=OrderedDict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def find(self, query_id: str) -> Query | None:
        """A query of this client that is kept, or a part of one."""
        with self.guard:
            for query in self.queries.values():
                if query.id == query_id:
                    return query
                if query_id in query.parts:
                    return query.parts[query_id]
        return None


class Clients:
    """Every client that is logged in."""

    def __init__(
        self, warehouse: Warehouse, password: str, idle_transaction_seconds: float,
        contended_transaction_seconds: float, start_again: Callable[[], None],
    ) -> None:  # fmt: skip
        self._warehouse, self._password, self._start_again = warehouse, password, start_again
        self._engine = warehouse.engine
        self._contended_transaction_seconds = contended_transaction_seconds
        self._idle_transaction_seconds = idle_transaction_seconds
        self._by_token: dict[str, Client] = {}
        self._by_master: dict[str, Client] = {}
        self._guard = threading.Lock()
        self._pool = ThreadPoolExecutor(_THREADS, "query")
        self._stopping = threading.Event()
        self._reaper = threading.Thread(target=self._reap, name="idle-sessions", daemon=True)
        self._reaper.start()

    def log_in(
        self, user: str, password: str, token: str | None = None, *, role: str | None = None,
        warehouse: str | None = None, **session: Any,
    ) -> Client:  # fmt: skip
        """A session for a user, by password or by a signed token.

        Raises:
            SnowflakeError: 390100 and 390144, wrong user, password or token; 390189 and 390191, a role that is not
                granted to the user.
        """
        name = user if user.startswith('"') else user.upper()
        name = name.strip('"')
        properties = self._authenticated(name, password, token)
        role = self._role_of(name, role, properties)
        listed = str(properties.get("DEFAULT_SECONDARY_ROLES", "('ALL')"))
        client = Client(
            self._warehouse.connect(
                user=name, role=role, secondary=re.findall(r"'([^']*)'", listed.upper()),
                warehouse=warehouse or properties.get("DEFAULT_WAREHOUSE"), **session,
            ),
            secrets.token_urlsafe(32), secrets.token_urlsafe(32),
        )  # fmt: skip
        with self._guard:
            self._by_token[client.token] = client
            self._by_master[client.master_token] = client
        return client

    def _authenticated(self, name: str, password: str, token: str | None) -> dict[str, Any]:
        """What is recorded of a user who has shown who he is."""
        properties = self._engine.objects.find("USER", name)
        disabled = str((properties or {}).get("DISABLED", "FALSE")).upper() == "TRUE"
        if token is not None:
            if properties is None or disabled or not has_token(properties, token, self._engine.account, name):
                raise SnowflakeError("JWT token is invalid.", Code.WRONG_AUTHENTICATOR, "08001")
            return properties
        if hmac.compare_digest(name.encode(), self._engine.user.upper().encode()):
            right = hmac.compare_digest(password.encode(), self._password.encode())
        else:
            right = properties is not None and not disabled and has_password(properties, password)
        if not right:
            raise SnowflakeError("Incorrect username or password was specified.", Code.WRONG_PASSWORD, "08001")
        return properties or {}

    def _role_of(self, user: str, wanted: str | None, properties: dict[str, Any]) -> str:
        """The role that a session begins with."""
        granted = self._engine.access.now.roles_of(user)
        if wanted is not None:
            if wanted in granted:
                return wanted
            raise SnowflakeError(
                f"Role '{wanted}' specified in the connect string does not exist or not authorized. Contact your local "
                "system administrator, or attempt to login with another role, e.g. PUBLIC.",
                Code.LOGIN_ROLE,
                "08001",
            )
        default = properties.get("DEFAULT_ROLE")
        if default is None:
            return ADMINISTRATOR if user == self._engine.user.upper() else PUBLIC
        name = str(default).strip('"') if str(default).startswith('"') else str(default).upper()
        if name in granted:
            return name
        raise SnowflakeError(
            f"User's configured default role '{name}' is not granted to this user. Contact your local system "
            "administrator, or attempt to login using a CLI client with a connect string selecting another role, e.g. "
            "PUBLIC.",
            Code.DEFAULT_ROLE,
            "08001",
        )

    def find(self, token: str) -> Client | None:
        return self._by_token.get(token)

    def renew(self, master_token: str) -> Client | None:
        """A new token for the session of a master token."""
        with self._guard:
            client = self._by_master.get(master_token)
            if client is not None:
                client.token = secrets.token_urlsafe(32)
                self._by_token[client.token] = client
            return client

    def log_out(self, client: Client) -> None:
        """End the session; what is open is rolled back."""
        with self._guard:
            tokens = [token for token, other in self._by_token.items() if other is client]
            for token in tokens:
                del self._by_token[token]
            self._by_master.pop(client.master_token, None)
        client.session.close()
        for query in client.queries.values():
            self._remove_chunks(query)

    def submit(self, client: Client, body: Json, request_id: str, base_url: str) -> Query:
        """Run a statement, or find the query that an earlier request with this id has begun."""
        with client.guard:
            for query in client.queries.values():
                if request_id and query.request_id == request_id:
                    return query
            query_id = str(uuid.uuid4())
            query = Query(query_id, request_id, Future())
            client.queries[query_id] = query
            while len(client.queries) > _KEPT_QUERIES:
                oldest = next(iter(client.queries.values()))
                if not oldest.future.done():
                    break
                client.queries.popitem(last=False)
                self._remove_chunks(oldest)
        self._pool.submit(self._run, client, query, body, base_url)
        return query

    def cancel(self, client: Client, request_id: str) -> bool:
        """Stop the query of a request, if it still runs."""
        for query in list(client.queries.values()):
            if query.request_id == request_id and not query.future.done():
                client.session.cancel()
                return True
        return False

    def _run(self, client: Client, query: Query, body: Json, base_url: str) -> None:
        try:
            query.future.set_result(self._answer(client, query, body, base_url))
        except BaseException as error:
            log.exception("query %s", query.id)
            query.future.set_result(
                failure(SnowflakeError(f"{type(error).__name__}: {error}", Code.UNKNOWN, "XX000"), query.id)
            )

    def _answer(self, client: Client, query: Query, body: Json, base_url: str) -> Json:
        session = client.session
        text = body.get("sqlText")
        if not isinstance(text, str):
            return failure(SnowflakeError("The request has no sqlText.", Code.NO_TEXT, "22000"), query.id)
        statement = Statement(text)
        if statement.rescanned_query is not None:
            return _earlier_answer(client, query, statement.rescanned_query)
        with session.mutex:
            try:
                count = _statement_count(session, body)
                if count != 1:
                    statements = parts(text)
                    if count not in (0, len(statements)):
                        raise statement_count(len(statements), count)
                    if len(statements) > 1:
                        return self._answer_several(client, query, statements, body, base_url)
                return self._answer_one(session, query, statement, body, base_url)
            except SnowflakeError as error:
                return failure(error, query.id)
            finally:
                session.last_used = time.monotonic()

    def _answer_one(self, session: Session, query: Query, statement: Statement, body: Json, base_url: str) -> Json:
        result = _execute(session, statement, body, query.id)
        if result.upload is not None:
            return _success(result.upload)
        data = rowset.encode(
            result, query.id, self._engine.store.results, lambda n: f"{base_url}/results/{query.id}/{n}",
            as_json=_wants_json(session, body),
        )  # fmt: skip
        query.chunks = len(data.get("chunks", ()))
        return _success(data | final_state(session))

    def _answer_several(
        self, client: Client, query: Query, statements: list[str], body: Json, base_url: str
    ) -> Json:  # fmt: skip
        """Run statement after statement, up to one that fails: the answer names their queries, for their results."""
        session = client.session
        if body.get("bindings"):
            refuse("bound values in a request with several statements")
        if any(Statement(text).first_word in ("PUT", "GET") for text in statements):
            refuse("PUT and GET in a request with several statements")
        if body.get("describeOnly"):
            refuse("the description of several statements")
        kinds: list[int] = []
        for text in statements:
            part = Query(str(uuid.uuid4()), "", Future())
            with client.guard:
                query.parts[part.id] = part
            answer = self._answer_one(session, part, Statement(text), body, base_url)
            kinds.append(answer["data"]["statementTypeId"])
            part.future.set_result(answer)
        data = rowset.encode(_several_executed(), query.id, self._engine.store.results, str)
        data |= {"resultIds": ",".join(query.parts), "resultTypes": ",".join(map(str, kinds))}
        return _success(data | final_state(session))

    def _remove_chunks(self, query: Query) -> None:
        for each in (query, *query.parts.values()):
            for index in range(each.chunks):
                (self._engine.store.results / f"{each.id}.{index}").unlink(missing_ok=True)

    def _reap(self) -> None:
        while not self._stopping.wait(_REAP_SECONDS):
            now = time.monotonic()
            with self._guard:
                every = list(self._by_master.values())
            if not self._engine.store.usable():
                time.sleep(_FAREWELL_SECONDS)
                self._start_again()
                return
            wanted = self._engine.locks.blocking()
            for client in every:
                self._reap_one(client, now - client.session.last_used, wanted=client.session in wanted)

    def _reap_one(self, client: Client, idle: float, *, wanted: bool) -> None:
        """End what an idle client holds; sooner when another session waits for one of its locks."""
        session = client.session
        limit = self._contended_transaction_seconds if wanted else self._idle_transaction_seconds
        if idle > _SESSION_SECONDS:
            self.log_out(client)
        elif idle > limit and session.mutex.acquire(blocking=False):
            try:
                transaction = session.transaction
                if transaction is not None and transaction.aborted is None:
                    log.warning("rolled back the transaction of session %s, idle for %.0f s", session.id, idle)
                    session.abandon(f"its session was idle for {idle:.0f} s")
            finally:
                session.mutex.release()

    def close(self) -> None:
        """Cancel every query and end every session."""
        self._stopping.set()
        with self._guard:
            clients = list(self._by_master.values())
        for client in clients:
            client.session.cancel()
        for client in clients:
            self.log_out(client)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _several_executed() -> Result:
    result = table([("multiple statement execution", "VARCHAR")], [("Multiple statements executed successfully.",)])
    result.type = StatementType.SEVERAL
    return result


def _statement_count(session: Session, body: Json) -> int:
    """How many statements a request may have; 0 for any number of them."""
    given = (body.get("parameters") or {}).get("MULTI_STATEMENT_COUNT")
    text = str(session.parameters.get("MULTI_STATEMENT_COUNT", 1) if given is None else given)
    if not text.isdigit():
        raise invalid(f"invalid value '{text}' for parameter 'MULTI_STATEMENT_COUNT': it is a whole number")
    return int(text)


_RESULT_FORMATS = ("QUERY_RESULT_FORMAT", "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "JDBC_QUERY_RESULT_FORMAT")


def _wants_json(session: Session, body: Json) -> bool:
    """Whether a client asks for rows as JSON, by a parameter of the request or the session."""
    given = body.get("parameters") or {}
    asked = (given.get(name, session.parameters.get(name)) for name in _RESULT_FORMATS)
    return any(str(value).upper().startswith("JSON") for value in asked if value is not None)


def _success(data: Json) -> Json:
    return {"success": True, "code": None, "message": None, "data": data}


def _earlier_answer(client: Client, query: Query, wanted: str) -> Json:
    """The answer to an earlier query of the client, which a statement asks for again."""
    earlier = client.find(wanted)
    if earlier is None:
        error = SnowflakeError(f"The result of query {wanted} is not kept; run it again.", Code.NO_RESULT, "02000")
        return failure(error, query.id)
    answer = earlier.future.result()
    if earlier.parts and answer["success"]:  # the client asks for the results of the parts by itself
        data = {key: value for key, value in answer["data"].items() if key not in ("resultIds", "resultTypes")}
        return answer | {"data": data}
    return answer


def _execute(session: Session, statement: Statement, body: Json, query_id: str) -> Result:
    bound = body.get("bindings") or {}
    if body.get("describeOnly"):
        return describe(session, statement, bound)
    if any(isinstance(value.get("value"), list) for value in bound.values()):
        return execute_many(session, statement, bound, query_id)
    return execute(session, statement, bound, query_id)


def final_state(session: Session) -> Json:
    """The session's current objects and parameters, which clients keep up with."""
    return {
        "parameters": parameters(session),
        "finalDatabaseName": session.database,
        "finalSchemaName": session.schema,
        "finalWarehouseName": session.warehouse,
        "finalRoleName": session.role,
    }


def parameters(session: Session) -> list[Json]:
    """The session parameters that connectors act on."""
    return [
        {"name": "AUTOCOMMIT", "value": session.autocommit},
        {"name": "TIMEZONE", "value": session.parameters["TIMEZONE"]},
        {"name": "CLIENT_SESSION_KEEP_ALIVE", "value": False},
        {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
        {"name": "CLIENT_PREFETCH_THREADS", "value": 4},
        {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": 0},
        {"name": "CLIENT_TELEMETRY_ENABLED", "value": False},
        {"name": "SERVICE_NAME", "value": ""},
    ]


def failure(error: SnowflakeError, query_id: str) -> Json:
    """An error's answer; HTTP's status stays 200."""
    code = error.code.digits
    return {
        "success": False, "code": code, "message": error.message,
        "data": {"errorCode": code, "sqlState": error.sqlstate, "queryId": query_id, "internalError": False,
                 "line": -1, "pos": -1, "type": "COMPILATION"},
    }  # fmt: skip
