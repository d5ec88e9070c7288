"""One request and its answer, with a connection of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from app.common.egress import rules
from app.common.egress.transport import Call, Transport


@dataclass(frozen=True)
class Limits:
    """`seconds` covers resolving, connecting, sending and reading together."""

    seconds: float = 10.0
    max_bytes: int = 1_048_576


@dataclass(frozen=True)
class Fetched:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Outgoing:
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def fetch(outgoing: Outgoing, limits: Limits | None = None, call: Call | None = None) -> Fetched:
    """Make one request and return the response, whatever its status, redirects included.

    Raises EgressRefused before anything is sent, EgressFailed afterwards. With a `call`, the
    deadline is the call's, and the caller can see whether the request was written.
    """
    limits = limits or Limits()
    call = call or Call(limits.seconds)
    url = rules.parse(outgoing.url)
    headers = {**outgoing.headers, "Connection": "close"}
    with (
        call.running(),
        httpx2.Client(
            transport=Transport(max_bytes=limits.max_bytes), trust_env=False, follow_redirects=False
        ) as client,
    ):
        response = client.request(outgoing.method, url, headers=headers, content=outgoing.body)
        return Fetched(response.status_code, response.headers, response.content)
