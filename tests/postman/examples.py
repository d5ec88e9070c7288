"""Refreshes the saved examples in the Postman collection from real answers:

    .venv/bin/python -m dev exec -- .venv/bin/python -m tests.postman.examples

It runs the collection against a fresh stack with newman (`make postman` installs it) and writes one
example for each request into postman_collection.json. Secrets become placeholders, ids are
numbered, and times count from a fixed day. An example is written again only if more of it changed
than times and measurements.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.postman import collection
from tests.postman.collection import Item
from tests.postman.disguise import TIME, Disguise, public_ids

NEWMAN = Path(__file__).parent / "node_modules/.bin/newman"

FIXED = {"run": "1", "channel_digits": "0100"}
"""Variables that the collection makes up anew in each run."""

LONGEST_LIST = 3
"""Objects of a list that an example shows."""

SAMPLES = 2
"""Samples of a metric that an example shows."""

HEADERS = ("Content-Type", "Allow", "Idempotency-Replayed", "Retry-After", "X-RateLimit-Limit")
"""The headers that an example shows, if the answer has them."""

LANGUAGES = {"application/json": "json", "text/xml": "xml", "text/html": "html"}

VOLATILE = re.compile(rf"{TIME.pattern}|\b\d+\.\d+(?:e-\d+)?\b|\b1[6-9]\d{{8}}\b")
"""Times, measurements, and seconds since 1970."""


def main() -> int:
    if not NEWMAN.exists():
        return fail("newman is missing: `make postman` installs it.")
    if "PUBLIC_BASE_URL" not in os.environ:
        return fail(f"This needs a fresh stack beside it.\n{__doc__}")
    given = collection.load()
    with tempfile.TemporaryDirectory() as folder:
        report_path = Path(folder) / "report.json"
        code = run_newman(report_path)
        report = json.loads(report_path.read_text(encoding="utf-8"))
    if code:
        return fail("\n".join(each["error"]["message"] for each in report["run"]["failures"]))
    written = refresh(given, report)
    collection.save(given)
    sys.stdout.write(f"{written} examples are new; the others stay as they are.\n")
    return 0


def fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def run_newman(report_path: Path) -> int:
    variables = {
        **FIXED,
        "base_url": os.environ["PUBLIC_BASE_URL"],
        "simulator_url": os.environ["SIMULATOR_URL"],
    }
    arguments = [f"--env-var={name}={value}" for name, value in variables.items()]
    command = [str(NEWMAN), "run", str(collection.PATH), "--bail", "--reporters=json", *arguments]
    command.append(f"--reporter-json-export={report_path}")
    return subprocess.run(command, check=False).returncode


def refresh(given: dict[str, Any], report: dict[str, Any]) -> int:
    """Put the examples of a newman report into the collection; return how many of them are new.

    A request that newman repeated until something happened is shown with its last answer.
    """
    last = {each["item"]["name"]: each["response"] for each in report["run"]["executions"]}
    disguise = disguise_of(given, report)
    written = 0
    for item in collection.requests(given["item"]):
        new = example(item, last[item["name"]], disguise)
        if [essence(each) for each in item.get("response", [])] != [essence(new)]:
            item["response"] = [new]
            written += 1
    return written


def disguise_of(given: dict[str, Any], report: dict[str, Any]) -> Disguise:
    used = {each["key"]: each["value"] for each in report["environment"]["values"]}
    known = {each["key"]: each["value"] for each in given["variable"]}
    named = [each["request"] for each in collection.requests(given["item"])] + given["variable"]
    return Disguise(
        datetime.fromtimestamp(report["run"]["timings"]["started"] / 1000, UTC),
        public_ids(json.dumps(named)),
        {used[name]: known[name] for name in ("base_url", "simulator_url")},
    )


def example(item: Item, response: dict[str, Any], disguise: Disguise) -> dict[str, Any]:
    """Return a saved example as Postman stores it."""
    headers = {each["key"]: each["value"] for each in response["header"]}
    mime_type = headers.get("Content-Type", "").partition(";")[0]
    text = bytes(response.get("stream", {}).get("data", [])).decode()
    language = LANGUAGES.get(mime_type, "text") if text else "text"
    status = HTTPStatus(response["code"])
    return {
        "name": f"{status.value} {status.phrase}",
        "originalRequest": asked(item),
        "status": status.phrase,
        "code": status.value,
        "_postman_previewlanguage": language,
        "header": [{"key": each, "value": headers[each]} for each in HEADERS if each in headers],
        "cookie": [],
        "body": json_body(text, disguise) if language == "json" else plain_body(text, disguise),
    }


def asked(item: Item) -> dict[str, Any]:
    """Return the request as an example repeats it."""
    return {name: each for name, each in item["request"].items() if name != "description"}


def json_body(text: str, disguise: Disguise) -> str:
    return json.dumps(disguise.of(shortened(json.loads(text))), indent=2, ensure_ascii=False)


def shortened(value: Any) -> Any:
    """Shorten the lists of objects."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        are_objects = any(isinstance(each, dict) for each in value)
        return [shortened(each) for each in (value[:LONGEST_LIST] if are_objects else value)]
    return value


def plain_body(text: str, disguise: Disguise) -> str:
    return disguise.of_text(brief(text) if text.startswith("# HELP") else text)


def brief(metrics: str) -> str:
    """Return the metrics sorted by name, each with few samples and without its buckets."""
    kept = []
    for metric in sorted(metrics.strip().split("# HELP ")[1:]):
        words, kind, *samples = metric.splitlines()
        samples = sorted(each for each in samples if "_bucket{" not in each)
        kept += [f"# HELP {words}", kind, *samples[:SAMPLES]]
    return "\n".join(kept)


def essence(saved: dict[str, Any]) -> dict[str, Any]:
    """Return an example without what differs in each run."""
    return {**saved, "body": VOLATILE.sub("…", saved.get("body", ""))}


if __name__ == "__main__":
    sys.exit(main())
