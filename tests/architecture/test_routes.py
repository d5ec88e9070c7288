"""Every route has a guard, and every guard holds."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app.blueprints import TABLE, Guard, Kind
from app.common.permissions import SCOPES, Permission
from app.extensions import CONTENT_POLICY, PageBlueprint

OPEN = {
    "GET /openapi.json": "the API's description",
    "GET /": "leads to the page",
    "GET /docs": "a page for it",
    "GET /docs/<name>": "the page's files",
    "POST /auth/login": "signing in",
    "POST /auth/refresh": "the refresh token in the body is the proof",
    "GET /health": "for load balancers",
    "GET /health/db": "for load balancers",
    "GET /api/health": "for load balancers",
    "GET /api/status": "for a status page",
}
"""The public routes, and why each is public."""


def calls(app: Flask) -> Iterator[tuple[str, Rule]]:
    """Yield ("GET /channels/<uuid:channel_id>", rule) for each route and method."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"{method} {rule.rule}", rule


def guard_of(rule: Rule) -> Guard | None:
    guards = {entry.blueprint.name: entry.guard for entry in TABLE}
    return guards.get(rule.endpoint.rpartition(".")[0])


def unguarded(app: Flask) -> list[str]:
    """Return routes that are not in the table, are public without being listed, or name no
    permission."""
    found = []
    for call, rule in calls(app):
        guard = guard_of(rule)
        if guard is None:
            found.append(f"{call} is not in app/blueprints.TABLE")
        if guard in {None, Guard.PUBLIC} and call not in OPEN:
            found.append(f"{call} is public, but no reason is given here")
        view = app.view_functions[rule.endpoint]
        if guard is Guard.CALLER and not isinstance(getattr(view, "permission", None), Permission):
            found.append(f"{call} names no permission")
    return found


def test_every_route_has_a_guard(app: Flask) -> None:
    assert unguarded(app) == []


def test_every_permission_guards_a_route(app: Flask) -> None:
    """A key must not offer a scope that means nothing."""
    used = {getattr(view, "permission", None) for view in app.view_functions.values()}
    assert set(Permission) - used == set()
    assert used >= SCOPES


def test_a_route_without_a_guard_is_noticed() -> None:
    planted = Flask("planted")
    planted.add_url_rule("/planted", view_func=lambda: "open", methods=["POST"], endpoint="planted")
    assert "POST /planted is not in app/blueprints.TABLE" in unguarded(planted)
    assert "POST /planted is public, but no reason is given here" in unguarded(planted)


def test_a_view_without_a_permission_is_noticed() -> None:
    planted = Flask("planted", static_folder=None)
    name = next(entry.blueprint.name for entry in TABLE if entry.guard is Guard.CALLER)
    planted.add_url_rule("/planted", view_func=lambda: "open", endpoint=f"{name}.planted")
    assert unguarded(planted) == ["GET /planted names no permission"]


def test_a_blueprint_is_of_the_kind_that_the_table_says() -> None:
    for entry in TABLE:
        is_page = isinstance(entry.blueprint, PageBlueprint)
        assert is_page is (entry.kind is Kind.PAGE), entry.blueprint.name


def test_every_page_carries_the_content_policy(app: Flask, client: FlaskClient) -> None:
    pages = {entry.blueprint.name for entry in TABLE if entry.kind is Kind.PAGE}
    paths = [filled(rule) for _, rule in calls(app) if rule.endpoint.rpartition(".")[0] in pages]
    assert paths, "there are pages"
    for path in paths:
        assert client.get(path).headers["Content-Security-Policy"] == CONTENT_POLICY, path


def test_every_public_route_that_is_listed_exists(app: Flask) -> None:
    assert set(OPEN) - {call for call, _ in calls(app)} == set()


def test_no_guarded_route_answers_a_stranger(app: Flask, client: FlaskClient) -> None:
    """Asked over HTTP, without a token and with a wrong one."""
    answered = []
    for call, rule in calls(app):
        if guard_of(rule) is not Guard.CALLER:
            continue
        method, path = call.split(" ")[0], filled(rule)
        for headers in ({}, {"Authorization": "Bearer rk_live_wrong"}):
            response = client.open(path, method=method, headers=headers, json={})
            if response.status_code != 401 or response.get_json()["success"] is not False:
                answered.append(f"{call} → {response.status_code}")
    assert answered == []


def test_no_signed_route_answers_a_stranger(app: Flask, client: FlaskClient) -> None:
    routes = [(call, rule) for call, rule in calls(app) if guard_of(rule) is Guard.SIGNATURE]
    assert routes, "there are webhooks"
    answered = []
    for call, rule in routes:
        form = {"From": "whatsapp:+15551234567", "To": "whatsapp:+14155238886", "Body": "hola"}
        response = client.open(filled(rule), method=call.split(" ")[0], data=form)
        if response.status_code not in {403, 405}:
            answered.append(f"{call} → {response.status_code}")
    assert answered == []


def filled(rule: Rule) -> str:
    """Return the rule's path with an id that does not exist and a provider that does."""
    value = {name: "twilio" if name == "provider" else uuid4() for name in rule.arguments}
    return rule.build(value)[1]  # type: ignore[index]


@pytest.mark.parametrize("path", ["/auth/me", "/channels"])
def test_paths_work_with_and_without_a_trailing_slash(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == client.get(f"{path}/").status_code == 401
