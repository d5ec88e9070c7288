"""No call of one tenant's owner reaches another tenant's rows, or can tell that they exist.

Every route and method that callers may use must have a case in tests/isolation_cases.py.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import db
from app.blueprints import TABLE, Guard
from app.messages import waiting
from app.models import Base, Role
from tests.factories import (
    ApiClient,
    create_access_token,
    create_channel,
    create_tenant,
    create_user,
)
from tests.isolation_cases import CANARY, CASES, Estate, Foreign, Own, build_estate

FOREIGN = [
    pytest.param(call, case, id=f"{call} {case.field or case.query or ''}".strip())
    for call, cases in CASES.items()
    for case in cases
    if isinstance(case, Foreign)
]
OWN = [
    pytest.param(call, case, id=f"{call} {json.dumps(case.query)}")
    for call, cases in CASES.items()
    for case in cases
    if isinstance(case, Own)
]


@pytest.fixture(scope="module")
def estate(app: Flask) -> Estate:
    """What the other tenant owns."""
    return build_estate(create_tenant(name=CANARY).id)


@pytest.fixture
def stranger(app: Flask) -> ApiClient:
    """The owner of a tenant that has one of everything, too."""
    mine = build_estate(create_tenant().id)
    owner = create_user(mine.tenant_id)
    return ApiClient(app, create_access_token(app, owner), owner)


def caller_calls(app: Flask) -> dict[str, Rule]:
    """Return every route and method behind Guard.CALLER."""
    names = {entry.blueprint.name for entry in TABLE if entry.guard is Guard.CALLER}
    return {
        f"{method} {rule.rule}": rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.rpartition(".")[0] in names
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def missing_cases(rules: dict[str, Rule]) -> list[str]:
    """Return calls without a case, and calls with an id in the path that no case puts there."""
    return [
        call
        for call, rule in rules.items()
        if not CASES.get(call)
        or (rule.arguments and not any(names_row_in_path(case) for case in CASES[call]))
    ]


def names_row_in_path(case: Foreign | Own) -> bool:
    return isinstance(case, Foreign) and case.field is None and case.query is None


def attempt(client: ApiClient, call: str, case: Foreign, value: Any) -> TestResponse:
    """Make the call with `value` where the case puts it."""
    method, rule = call.split(" ", 1)
    body, query = case.body, dict(case.asked)
    if case.field is not None:
        body = {**(case.body or {}), case.field: str(value)}
    elif case.query is not None:
        query[case.query] = str(value)
    else:
        rule = filled(rule.replace("<int:number>", "1"), value)
    return client.request(method, rule, body, query=query)


def filled(rule: str, value: Any) -> str:
    """Put the value into the rule's path, or several values in their order."""
    for each in value if isinstance(value, tuple) else (value,):
        start, _, rest = rule.partition("<")
        rule = f"{start}{each}{rest.partition('>')[2]}"
    return rule


def comparable(answer: TestResponse, value: Any) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers without what differs between any two requests."""
    body = json.loads(answer.text) if answer.text else {}
    body.pop("request_id", None)
    headers = {
        name: text
        for name, text in answer.headers.items()
        if name not in {"X-Request-Id", "Date", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    }
    text = json.dumps(body, sort_keys=True).replace(str(value), "<the value>")
    headers.pop("Content-Length", None)
    return answer.status_code, text, headers


def rows_of(tenant_id: UUID) -> list[tuple[Any, ...]]:
    """Return everything that a tenant owns, in all tables."""
    with db.tenant_session(tenant_id) as session:
        return [
            (table.name, *row)
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table).order_by(*table.primary_key.columns))
        ]


def identifiers_of(tenant_id: UUID) -> Iterator[str]:
    for row in rows_of(tenant_id):
        yield from (str(value) for value in row if isinstance(value, UUID))


def test_every_call_has_a_case_and_every_case_a_call(app: Flask) -> None:
    rules = caller_calls(app)
    assert missing_cases(rules) == []
    assert set(CASES) - set(rules) == set()


def test_a_new_route_without_a_case_is_noticed(app: Flask) -> None:
    known = caller_calls(app)
    planted = Rule("/planted/<uuid:planted_id>", endpoint="planted")
    assert missing_cases({**known, "GET /planted/<uuid:planted_id>": planted}) == [
        "GET /planted/<uuid:planted_id>"
    ]


@pytest.mark.parametrize(("call", "case"), FOREIGN)
def test_anothers_row_is_answered_as_one_that_does_not_exist(
    call: str, case: Foreign, stranger: ApiClient, estate: Estate
) -> None:
    before = rows_of(estate.tenant_id)
    value, nothing = case.pick(estate), case.stranger()
    foreign = attempt(stranger, call, case, value)
    absent = attempt(stranger, call, case, nothing)
    assert foreign.status_code == case.status, foreign.text
    assert comparable(foreign, value) == comparable(absent, nothing)
    assert CANARY not in foreign.text
    assert rows_of(estate.tenant_id) == before


@pytest.mark.parametrize(("call", "case"), FOREIGN)
def test_the_owner_gets_another_answer_than_a_stranger(
    call: str, case: Foreign, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the test above would pass for a route that answers nobody."""
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0.0)
    own = build_estate(create_tenant().id, Role.PLATFORM_ADMIN)
    client = ApiClient(app, create_access_token(app, own.user), own.user)
    value, nothing = case.pick(own), case.stranger()
    mine = attempt(client, call, case, value)
    absent = attempt(client, call, case, nothing)
    assert comparable(mine, value) != comparable(absent, nothing)
    assert mine.status_code != 500


@pytest.mark.parametrize(("call", "case"), OWN)
def test_an_answer_holds_nothing_of_another_tenant(
    call: str, case: Own, app: Flask, estate: Estate
) -> None:
    tenant = create_tenant()
    create_channel(tenant.id, is_default=True)
    owner = create_user(tenant.id)
    client = ApiClient(app, create_access_token(app, owner), owner)
    before = rows_of(estate.tenant_id)
    method, path = call.split(" ")
    answer = client.request(method, path, case.body, query=case.query)
    assert answer.status_code == case.status, answer.text
    assert CANARY not in answer.text
    assert [each for each in identifiers_of(estate.tenant_id) if each in answer.text] == []
    assert rows_of(estate.tenant_id) == before


@pytest.mark.parametrize(
    ("call", "case"), [each for each in FOREIGN if "<uuid:tenant_id>" not in str(each.values[0])]
)
def test_an_administrator_of_the_platform_reaches_no_row_of_a_tenant(
    call: str, case: Foreign, platform_admin: ApiClient, estate: Estate
) -> None:
    """They see a tenant itself, and none of its members, channels, contacts or messages."""
    before = rows_of(estate.tenant_id)
    answer = attempt(platform_admin, call, case, case.pick(estate))
    assert 400 <= answer.status_code < 500 or answer.get_json().get("items", []) == []
    assert CANARY not in answer.text
    assert rows_of(estate.tenant_id) == before


def test_the_same_idempotency_key_in_two_tenants_is_two_keys(
    stranger: ApiClient, app: Flask
) -> None:
    owner = create_user(create_tenant().id)
    other = ApiClient(app, create_access_token(app, owner), owner)
    body = {"keywords": ["hola"], "reply": "¡Hola!"}
    answers = [
        client.post("/api/keyword-replies", body, idempotency_key="one")
        for client in (other, stranger, stranger)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    ids = [answer.get_json()["id"] for answer in answers]
    assert ids[0] != ids[1] == ids[2]
