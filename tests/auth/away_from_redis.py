"""A web service without Redis; prints its answers as one line of JSON.

Run as a program with the environment of a service: limits are kept in the process, so they are
tested in a process of their own. Argument: a username with `tests.factories.PASSWORD`.
"""

import json
import sys
import time

from app import create_app
from tests.factories import PASSWORD


def main(username: str) -> None:
    client = create_app().test_client()
    statuses, seconds = [], []
    for _ in range(6):
        began = time.monotonic()
        body = {"username": username, "password": PASSWORD}
        answer = client.post("/auth/login", json=body)
        statuses.append(answer.status_code)
        seconds.append(time.monotonic() - began)
    retry_after = answer.headers.get("Retry-After")
    sys.stdout.write(
        json.dumps({"statuses": statuses, "slowest": max(seconds), "retry_after": retry_after})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
