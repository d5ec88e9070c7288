from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from flask import Response, current_app, json, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from app.errors import NotFound
from app.extensions import PageBlueprint

FOLDER = Path(__file__).parent / "static"
FILES = {
    "index.html": "text/html",
    "start.js": "text/javascript",
    "page.css": "text/css",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
    "favicon-32x32.png": "image/png",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
}

docs = PageBlueprint("docs", __name__)


@docs.get("/")
def show_start() -> BaseResponse:
    """Redirect a person who opens the service's address to the docs."""
    return redirect("/docs")


@docs.get("/openapi.json")
def show_description() -> Response:
    """Return the OpenAPI document that app/openapi/ makes on the first request, in its order."""
    describe: Callable[[], dict[str, Any]] = current_app.extensions["openapi"]
    return Response(json.dumps(describe(), sort_keys=False), mimetype="application/json")


@docs.get("/docs")
def show_page() -> Response:
    return show_file("index.html")


@docs.get("/docs/<name>")
def show_file(name: str) -> Response:
    """Return a file of the page. Raises NotFound for a name that FILES does not list."""
    if name not in FILES:
        raise NotFound
    response = Response((FOLDER / name).read_bytes(), mimetype=FILES[name])
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return cast(Response, response.make_conditional(request))
