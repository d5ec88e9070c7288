"""gzip for large answers, for clients that accept it."""

import gzip

from flask import Flask, Response, request

SMALLEST = 4096
"""Bytes. Answers with tokens or keys are shorter, so what an attacker can make us repeat is never
compressed together with a secret."""
LEVEL = 5


def init_app(app: Flask) -> None:
    app.after_request(compress)


def compress(response: Response) -> Response:
    """Compress a large text."""
    mime_type = response.mimetype or ""
    is_text = mime_type == "application/json" or mime_type.startswith("text/")
    if not is_text or response.is_streamed or response.content_encoding:
        return response
    response.vary.add("Accept-Encoding")
    if (response.content_length or 0) >= SMALLEST and request.accept_encodings.quality("gzip"):
        response.set_data(gzip.compress(response.get_data(), LEVEL))
        response.content_encoding = "gzip"
    return response
