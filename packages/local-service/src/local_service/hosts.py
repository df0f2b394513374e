"""Requests that a page of another site makes through the reader's browser are refused by every HTTP server of ours.

A server on the loopback address is reached by every program of the machine, and the browser is one. Two ways lead from
a page on the internet to it: the page's name is made to mean 127.0.0.1 (DNS rebinding), which shows in Host; or the
page sends a request across sites, which shows in Origin or, where a browser sends none, in Sec-Fetch-Site.

Sources: RFC 9110 section 7.2, fetch.spec.whatwg.org#origin-header, www.w3.org/TR/fetch-metadata
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(?P<authority>[^/?#@\s]+)", re.IGNORECASE)
_LONGEST_SHOWN = 100
_WEBSOCKET_REFUSED = 1008  # policy violation, RFC 6455 section 7.4.1


def host_names(given: str | Iterable[str]) -> tuple[str, ...]:
    """Names and addresses from a text with commas, in lower case.

    Raises:
        ValueError: one is neither a name nor an address; names it.
    """
    parts = given.split(",") if isinstance(given, str) else list(given)
    names = tuple(part.strip().strip("[]").lower() for part in parts if part.strip())
    for name in names:
        if not _NAME.fullmatch(name) and not _is_address(name):
            raise ValueError(f"{name!r} is no host name: give names without a scheme and a port, such as shop.example")
    return names


class OwnHosts:
    """ASGI middleware: answers 403 to requests that are not for this server or come from another site's page.

    A request is for this server when Host is localhost, a loopback address, the address at which it arrived, or one of
    the names that were given. It comes from this server's own page when Origin is the same host and port, or one of
    the names (behind a proxy that writes its own Host).
    """

    def __init__(self, app: App, names: Iterable[str] = (), *, how_to_allow: str) -> None:
        """
        Args:
            app: what is guarded.
            names: more names of this server, as `host_names` gives them.
            how_to_allow: what the refusal tells to do with a name that is right.
        """
        self._app = app
        self._names = frozenset(names)
        self._how_to_allow = how_to_allow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _WEBSOCKET_REFUSED, "reason": refusal})
        else:
            await _forbid(refusal, send)

    def _refusal(self, scope: Scope) -> str | None:
        """Why the request is refused; None when it is not."""
        hosts = _headers(scope, b"host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_ours(_name_of(host), scope):
            return (
                f"This server is not called {_shown(', '.join(hosts))}: use localhost or 127.0.0.1 and its port, or, "
                f"when that is a name of this server, {self._how_to_allow}."
            )
        for origin in _headers(scope, b"origin"):
            found = _ORIGIN.fullmatch(origin)
            authority = found["authority"] if found else ""
            if authority.lower() != host.lower() and _name_of(authority) not in self._names:
                return (
                    f"A page of {_shown(origin)} may not use this server. When that is a name of this server, "
                    f"{self._how_to_allow}."
                )
        site, mode = _headers(scope, b"sec-fetch-site"), _headers(scope, b"sec-fetch-mode")
        if not _headers(scope, b"origin") and {"cross-site", "same-site"} & set(site) and mode != ["navigate"]:
            return "A page of another site may lead to this server by a link, and may not use it otherwise."
        return None

    def _is_ours(self, name: str | None, scope: Scope) -> bool:
        if name is None:
            return False
        arrived_at = scope.get("server")
        return (
            name == "localhost"
            or name in self._names
            or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
            or (arrived_at is not None and name == str(arrived_at[0]).lower())
        )


async def _forbid(sentence: str, send: Send) -> None:
    body = sentence.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _name_of(authority: str) -> str | None:
    """The name or address of `name:port`; None when it is no such thing."""
    found = _AUTHORITY.fullmatch(authority)
    return (found["v6"] or found["name"]).lower() if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    return repr(text[:_LONGEST_SHOWN]) if text else "nothing (there is no Host, or more than one)"
