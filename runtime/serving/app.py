"""The protocol's paths."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as AnyHTTPException

from runtime.errors import InputError
from runtime.serving.protocol import parse_request, write_answer
from runtime.serving.served import ServedModel

#: Largest body of a request, in bytes.
MOST_BYTES = 16 << 20


def create_app(served: ServedModel) -> FastAPI:
    """Serve a model by the Open Inference Protocol v2, with binary tensors."""
    app = FastAPI(openapi_url=None)

    @app.exception_handler(AnyHTTPException)
    def refuse(_request: Request, error: AnyHTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(InputError)
    def wrong(_request: Request, error: InputError) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    @app.get("/v2")
    def server() -> Response:
        return JSONResponse(
            {"name": "tunefleet", "version": "2", "extensions": ["binary_tensor_data"]}
        )

    @app.get("/v2/health/{what}")
    def health(what: str) -> Response:
        if what not in ("live", "ready"):
            raise HTTPException(404, f"there is no /v2/health/{what}")
        return JSONResponse({what: True})

    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):

        @app.get(prefix)
        def metadata(name: str, version: str = "") -> Response:
            _check(name, version)
            return JSONResponse(
                {
                    "name": served.name,
                    "versions": [served.version],
                    "platform": "tunefleet",
                    "inputs": [spec.describe() for spec in served.inputs],
                    "outputs": [spec.describe() for spec in served.outputs],
                }
            )

        @app.get(f"{prefix}/ready")
        def ready(name: str, version: str = "") -> Response:
            _check(name, version)
            return JSONResponse({"ready": True})

        @app.post(f"{prefix}/infer")
        async def infer(request: Request, name: str, version: str = "") -> Response:
            _check(name, version)
            body = await _body(request)
            asked = parse_request(body, _head(request, len(body)), served)
            scores = await run_in_threadpool(served.score, asked.inputs)
            content, head = write_answer(asked, served, scores)
            if head is None:
                return Response(content, media_type="application/json")
            headers = {"Inference-Header-Content-Length": str(head)}
            return Response(content, media_type="application/octet-stream", headers=headers)

    def _check(name: str, version: str) -> None:
        if name != served.name:
            raise HTTPException(404, f"there is no model {name}")
        if version not in ("", served.version):
            raise HTTPException(404, f"{name} is served in version {served.version}, not {version}")

    return app


async def _body(request: Request) -> bytes:
    """Read a body of at most `MOST_BYTES`."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "bodies are taken as they are, not encoded")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body has more than {MOST_BYTES} bytes; send fewer rows")
    return bytes(body)


def _head(request: Request, whole: int) -> int:
    said = request.headers.get("inference-header-content-length", str(whole))
    if not (said.isascii() and said.isdigit()) or int(said) > whole:
        raise HTTPException(400, "Inference-Header-Content-Length is no number up to the body's")
    return int(said)
