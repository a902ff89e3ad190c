"""Who is let in, and what browsers may do with what they get."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.options import DashboardOptions, is_loopback

#: Nothing is loaded from anywhere else, nothing inline runs, nobody frames it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
COOKIE = "tunefleet"

#: What those may fetch who have no token: the form, its style, whether the process is well.
_OPEN = ("/login", "/static/", "/healthz")


class Guard:
    """Middleware that checks every request and marks every answer."""

    def __init__(self, app: ASGIApp, options: DashboardOptions) -> None:
        self._app, self._options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope) or _without_empty(scope)
        await (refusal or self._app)(scope, receive, marked)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if self._options.token is None:
            # A page of another site must not reach this one through a name that it points here.
            if not is_loopback(_host(headers.get("host", ""))):
                return PlainTextResponse("use 127.0.0.1 or localhost", status_code=421)
            return None
        path: str = scope["path"]
        if path.startswith(_OPEN) or self._known(headers):
            return None
        if path.endswith(".json") or "text/html" not in headers.get("accept", ""):
            return JSONResponse(
                {"detail": "a token is needed: send Authorization: Bearer TOKEN"},
                status_code=401,
                headers={"www-authenticate": "Bearer"},
            )
        return RedirectResponse(f"/login?{urlencode({'to': _target(scope)})}", status_code=303)

    def _known(self, headers: Headers) -> bool:
        assert self._options.token is not None
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return same(given.strip(), self._options.token)
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return same(cookie, cookie_of(self._options.token))


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def cookie_of(token: str) -> str:
    """What a browser keeps instead of the token."""
    return hashlib.sha256(f"tunefleet dashboard {token}".encode()).hexdigest()


def local_target(to: str) -> str:
    """Where to go after the form: a page of this site, whatever was asked for."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


def _host(header: str) -> str:
    """The host of a ``Host`` header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0]


def _target(scope: MutableMapping[str, Any]) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{scope['path']}?{query}" if query else str(scope["path"])


def _without_empty(scope: MutableMapping[str, Any]) -> ASGIApp | None:
    """Forms send fields that nobody filled in; the permanent address leaves them out."""
    query = scope["query_string"].decode("latin-1")
    if scope["method"] != "GET" or "=" not in query:
        return None
    pairs = parse_qsl(query, keep_blank_values=True)
    filled = [(name, value) for name, value in pairs if value]
    if len(filled) == len(pairs):
        return None
    rest = f"?{urlencode(filled)}" if filled else ""
    return RedirectResponse(f"{scope['path']}{rest}", status_code=303)
