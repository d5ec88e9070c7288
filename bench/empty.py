"""The baseline of every HTTP figure: a Flask app that does nothing, on the same server."""

from flask import Flask

app = Flask(__name__)


@app.post("/")
def nothing() -> tuple[str, int]:
    return "", 204
