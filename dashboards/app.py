"""The application: every page as HTML, as JSON, and as events; nothing is ever written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.staticfiles import StaticFiles

from dashboards.assets import STATIC
from dashboards.cache import Cache
from dashboards.guard import COOKIE, Guard, cookie_of, local_target, same
from dashboards.live import Hub, Topic
from dashboards.options import DashboardOptions
from dashboards.pages import PAGES, Context, Page
from dashboards.render import Renderer, read_page
from dashboards.schema import described
from dashboards.source import Source
from dashboards.warm import warm
from db import DbError, NotFound
from db.views.pulse import pulse

#: Drawn pages that are kept; the largest have 1 MB.
_DRAWN = 32
#: Seconds after which a browser asks again for a page that could not be shown.
_AGAIN_S = 3


def create_app(
    source: Source, options: DashboardOptions, *, metrics: Callable[[], bytes] | None = None
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    source
        The database.
    options
        Whom to let in, how often to look.
    metrics
        Makes what ``/metrics`` answers, in Prometheus' text format; without it there is none.
    """
    context = Context(source)
    renderer = Renderer(source.name)

    def draw(topic: Topic) -> dict[str, str]:
        data = topic.page.read(context, topic.params)
        return renderer.sections(topic.page, topic.params, data)

    hub = Hub(context, options, draw)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(hub.run())
        yield
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        source.close()

    app = FastAPI(
        title="tunefleet dashboard",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.hub = hub
    app.state.warm = lambda: warm(context, renderer)
    app.add_middleware(Guard, options=options)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_api_route("/", lambda: RedirectResponse("/tonight"), include_in_schema=False)
    drawn = Cache(room=_DRAWN)
    for page in PAGES:
        _add(app, page, context, renderer, hub, drawn)
    _add_service(app, source, options, renderer, metrics)
    _add_errors(app, renderer)
    _describe(app)
    return app


def _add(
    app: FastAPI,
    page: Page[Any, Any],
    context: Context,
    renderer: Renderer,
    hub: Hub,
    drawn: Cache,
) -> None:
    """Serve a page, its twin, and its events; what was read once is drawn once."""
    adapter = TypeAdapter[Any](page.data)

    filled = Depends(page.params)

    def html(request: Request, params: Any = filled) -> Response:
        data = read_page(context, page, params)
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.url.path
        live = f"{path}.live{query}" if page.live else ""

        def draw() -> bytes:
            shown = renderer.page(page, params, data, live=live, twin=f"{path}.json{query}")
            return shown.encode()

        return HTMLResponse(drawn.made_of((path, query), data, draw))

    def twin(params: Any = filled) -> Response:
        told = adapter.dump_json(read_page(context, page, params))
        return Response(told, media_type="application/json")

    async def live(params: Any = filled) -> Response:
        return StreamingResponse(hub.watch(Topic(page, params)), media_type="text/event-stream")

    # Before the page itself: the last part of its path would take the ending for its own.
    app.add_api_route(f"{page.path}.live", live, include_in_schema=False)
    app.add_api_route(
        f"{page.path}.json",
        twin,
        response_model=page.data,
        summary=page.title,
        description=page.about,
        operation_id=page.name,
    )
    app.add_api_route(page.path, html, include_in_schema=False)


def _add_service(
    app: FastAPI,
    source: Source,
    options: DashboardOptions,
    renderer: Renderer,
    metrics: Callable[[], bytes] | None,
) -> None:
    def healthz() -> Response:
        try:
            source.read(pulse)
        except DbError as error:
            told = {"status": "database away", "reason": str(error)}
            # Open to everybody: a database's address is not everybody's business.
            shown = told if options.token is None else {"status": told["status"]}
            return JSONResponse(shown, status_code=503)
        return JSONResponse({"status": "ok"})

    def form(to: str = "/") -> Response:
        return HTMLResponse(renderer.plain("login.html", to=local_target(to), wrong=False))

    async def login(request: Request) -> Response:
        given = parse_qs((await request.body())[:4096].decode("utf-8", "replace"))
        to = local_target(given.get("to", ["/"])[0])
        if options.token is None:
            return RedirectResponse(to, status_code=303)
        if not same(given.get("token", [""])[0], options.token):
            told = renderer.plain("login.html", to=to, wrong=True)
            return HTMLResponse(told, status_code=401)
        answer = RedirectResponse(to, status_code=303)
        answer.set_cookie(COOKIE, cookie_of(options.token), httponly=True, samesite="strict")
        return answer

    app.add_api_route("/healthz", healthz, include_in_schema=False)
    app.add_api_route("/login", form, include_in_schema=False)
    app.add_api_route("/login", login, methods=["POST"], include_in_schema=False)
    if metrics is not None:

        def exposed() -> Response:
            return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

        app.add_api_route("/metrics", exposed, include_in_schema=False)


def _add_errors(app: FastAPI, renderer: Renderer) -> None:
    def told(request: Request, status: int, title: str, text: str) -> Response:
        again = {"retry-after": str(_AGAIN_S), "refresh": str(_AGAIN_S)} if status == 503 else {}
        if request.url.path.endswith(".json"):
            return JSONResponse({"detail": text}, status_code=status, headers=again)
        shown = renderer.plain("problem.html", title=title, text=text, again=status == 503)
        return HTMLResponse(shown, status_code=status, headers=again)

    async def of_database(request: Request, error: Exception) -> Response:
        if isinstance(error, NotFound):
            return told(request, 404, "Not found", str(error))
        return told(request, 503, "The database is away", str(error))

    async def of_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        lines = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        return told(request, 422, "That cannot be shown", "; ".join(lines))

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return told(request, error.status_code, str(error.detail), "There is no such page.")

    app.add_exception_handler(DbError, of_database)
    app.add_exception_handler(RequestValidationError, of_request)
    app.add_exception_handler(HTTPException, of_http)


def _describe(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            app.openapi_schema = described(document, [page.data for page in PAGES])
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
