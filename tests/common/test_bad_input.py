"""Invalid input to any route gets a 4xx in the common form, never a 500, and nothing
half-written."""

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.common.ids import new_id
from tests.common.census import row_counts
from tests.factories import (
    ApiClient,
    create_access_token,
    create_channel,
    create_tenant,
    create_user,
)

WITHOUT_A_BODY = {"/auth/logout", "/auth/sessions"}
"""They end sign-ins, whatever the body."""
MUTATING = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def rules(app: Flask) -> list[Rule]:
    """Return every route of ours except the signed webhooks and the pages."""
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "." in rule.endpoint and not rule.endpoint.startswith(("webhooks.", "docs."))
    ]


def path_of(rule: Rule, value: str | None = None) -> str:
    path = rule.rule
    for name in rule.arguments:
        for form in (f"<uuid:{name}>", f"<int:{name}>", f"<{name}>", f"<string:{name}>"):
            path = path.replace(form, value or str(new_id()))
    return path


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def takes_body(rules: list[Rule]) -> list[tuple[str, str]]:
    """Return (method, path) of each call that may change something."""
    return [
        (method, path_of(rule))
        for rule in rules
        for method in methods(rule)
        if method in MUTATING and rule.rule not in WITHOUT_A_BODY
    ]


def call(
    client: ApiClient, method: str, path: str, body: bytes, kind: str = "application/json"
) -> TestResponse:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": kind}
    return client.app.test_client().open(path, method=method, data=body, headers=headers)


def is_clear_refusal(answer: TestResponse) -> bool:
    """Return whether it is a 4xx in the common form."""
    if not 400 <= answer.status_code < 500:
        return False
    keys = {"success", "error", "code", "details", "request_id"}
    return answer.json is not None and set(answer.json) == keys and bool(answer.json["error"])


DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED = b'{"body": ' + b'{"a":' * 900 + b"1" + b"}" * 901
BAD_BODIES: dict[str, bytes] = {
    "not json": b"{to_number: 1}",
    "cut off": b'{"to_number": "+1555',
    "an array": b"[1, 2]",
    "a text": b'"text"',
    "a number": b"7",
    "null": b"null",
    "unknown fields": b'{"unheard_of": 1}',
    "nested deep": DEEP,
    "nested in a field": NESTED,
    "not utf-8": b'{"body": "\xff\xfe"}',
    "utf-16": '{"body": "x"}'.encode("utf-16"),
    "nul": b'{"body": "a\\u0000b", "name": "\\u0000", "reply": "\\u0000"}',
    "a lone surrogate": b'{"body": "\\ud800", "name": "\\ud800", "reply": "\\udfff"}',
    "a nul in a name": b'{"a\\u0000": 1}',
    "a huge whole number": b'{"body": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"body": NaN, "name": Infinity, "reply": -Infinity}',
    "a key twice": b'{"body": "a", "body": 1}',
    "every type wrong": json.dumps(
        dict.fromkeys(["to_number", "body", "phone", "message", "name", "keywords", "reply"], 1.5)
    ).encode(),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_nobody_means_is_refused_by_every_route(
    signed_in: ApiClient, rules: list[Rule], name: str
) -> None:
    before = row_counts(signed_in.tenant_id)
    for method, path in takes_body(rules):
        answer = call(signed_in, method, path, BAD_BODIES[name])
        assert is_clear_refusal(answer), (method, path, answer.status_code, answer.text[:200])
    assert row_counts(signed_in.tenant_id) == before


def test_two_megabytes_are_refused_by_every_route_that_reads_a_body(
    signed_in: ApiClient, rules: list[Rule]
) -> None:
    body = json.dumps({"to_number": "+15551234567", "body": "x" * 2_000_000}).encode()
    before = row_counts(signed_in.tenant_id)
    for method, path in takes_body(rules):
        answer = call(signed_in, method, path, body)
        # A route without a body, or of another tenant's row, may refuse before it reads.
        assert is_clear_refusal(answer), (method, path, answer.status_code)
    for path in ("/api/send", "/api/send-message", "/send_whatsapp", "/api/keyword-replies"):
        assert call(signed_in, "POST", path, body).status_code == 413
    assert row_counts(signed_in.tenant_id) == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense"]
)
def test_a_body_that_is_not_declared_as_json_is_refused(signed_in: ApiClient, kind: str) -> None:
    body = b'{"to_number": "+15551234567", "body": "x"}'
    for path in ("/api/send", "/api/send-message", "/send_whatsapp", "/api/keyword-replies"):
        answer = call(signed_in, "POST", path, body, kind)
        assert answer.status_code == 415
        assert is_clear_refusal(answer)


def test_a_wrong_method_names_the_right_ones(signed_in: ApiClient, rules: list[Rule]) -> None:
    allowed: dict[str, set[str]] = {}
    for rule in rules:
        allowed.setdefault(rule.rule, set()).update(methods(rule))
    for rule in rules:
        for method in {"GET", *MUTATING} - allowed[rule.rule]:
            answer = signed_in.request(method, path_of(rule))
            if rule.arguments or answer.status_code != 405:
                # /tenants/me also matches nothing else; a path of another rule may answer.
                assert 400 <= answer.status_code < 500, (method, rule.rule)
                continue
            assert is_clear_refusal(answer)
            assert allowed[rule.rule] <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("value", ["garbage", "1", "%00", "ñ", "x" * 5000, "..%2F..", "%FF"])
def test_an_id_that_is_none_is_not_found(
    signed_in: ApiClient, rules: list[Rule], value: str
) -> None:
    for rule in rules:
        for method in methods(rule) if rule.arguments else ():
            answer = signed_in.request(method, path_of(rule, value))
            assert is_clear_refusal(answer), (method, rule.rule, answer.status_code)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=-1", "limit=101", "limit=abc", f"limit={'9' * 5000}", "cursor=garbage",
        "cursor=%00", "cursor=%FF", "unheard_of=1", "%00=1", "limit=1&limit=x",
    ],
)  # fmt: skip
def test_a_query_that_nobody_means_is_refused_by_every_list(
    signed_in: ApiClient, rules: list[Rule], query: str
) -> None:
    lists = ["/api/messages", "/api/whatsapp/conversations", "/api/keyword-replies", "/channels"]
    for path in lists:
        answer = signed_in.get(f"{path}?{query}")
        if query == "limit=1&limit=x":
            # The first of a repeated name counts.
            assert answer.status_code in {200, 422}
        else:
            assert (answer.status_code, path) == (422, path)
    for rule in rules:
        if "GET" in methods(rule):
            assert signed_in.get(f"{path_of(rule)}?{query}").status_code in {
                200,
                404,
                422,
                403,
                503,
            }


def test_every_path_works_with_a_slash_and_redirects_nobody(
    signed_in: ApiClient, rules: list[Rule]
) -> None:
    for rule in rules:
        for method in methods(rule):
            if rule.rule in WITHOUT_A_BODY:
                continue
            plain = path_of(rule).rstrip("/")
            answers = [signed_in.request(method, path) for path in (plain, f"{plain}/")]
            assert answers[0].status_code == answers[1].status_code, (method, plain)
            assert answers[0].status_code not in {301, 302, 307, 308}


def test_a_body_posted_to_a_path_with_a_slash_is_read(signed_in: ApiClient) -> None:
    made = signed_in.post("/api/keyword-replies/", {"keywords": ["hola"], "reply": "¡Hola!"})
    assert (made.status_code, made.json["reply"]) == (201, "¡Hola!")


TEXTS = st.text(max_size=30) | st.sampled_from(["+15551234567", "\x00", "🎉", "x" * 10_000])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "to_number", "body", "media_url", "content_sid", "content_variables", "phone", "message",
        "use_queue", "send_at", "valid_until", "policy", "priority", "fallback", "from_number",
        "conversation_id", "keywords", "reply", "is_enabled", "outcome", "twilio_number", "name",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzzed(app: Flask) -> ApiClient:
    """The owner of one tenant for all examples, because it does not matter what an example
    creates."""
    tenant = create_tenant()
    create_channel(tenant.id, is_default=True)
    user = create_user(tenant.id)
    return ApiClient(app, create_access_token(app, user), user)


@budget(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.dictionaries(NAMES, VALUES, max_size=6), choice=st.integers(0, 10_000))
def test_no_mixture_of_known_fields_breaks_a_route(
    fuzzed: ApiClient, rules: list[Rule], body: dict[str, Any], choice: int
) -> None:
    routes = [each for each in takes_body(rules) if each[1].startswith(("/api", "/send_whatsapp"))]
    method, path = routes[choice % len(routes)]
    answer = call(fuzzed, method, path, json.dumps({"use_queue": True, **body}).encode())
    assert answer.status_code < 500, (method, path, body)
