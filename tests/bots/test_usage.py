"""The limits of bots through the API, and `GET /bots/{id}/usage`."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app import config, db
from app.bots import manage
from app.config import Settings
from app.models import Tenant
from app.tasks import clean_up
from tests.ai.model_server import answer, failure, model_server
from tests.bots.bodies import make, path_of, post, reasons
from tests.bots.spending import counted, new_bot, spender, told
from tests.bots.trying import own, try_bot, use
from tests.factories import ApiClient

OK = "200 OK"
NONE: dict[str, Any] = dict.fromkeys(
    f"{whose}{unit}_per_{period}"
    for whose in ("", "contact_")
    for unit in ("tokens", "dollars")
    for period in ("day", "month")
)


def usage(api: ApiClient, bot: dict[str, Any]) -> dict[str, Any]:
    found = api.get(f"{path_of(bot)}/usage")
    assert found.status_code == 200, found.text
    data: dict[str, Any] = found.json["data"]
    return data


def test_a_bot_has_no_limits_of_its_own_at_first(signed_in: ApiClient) -> None:
    assert make(signed_in)["budget"] == {**NONE, "when_reached": "fallback"}


def test_limits_are_set_kept_and_removed(signed_in: ApiClient) -> None:
    made = make(signed_in, budget={"tokens_per_day": 1000, "dollars_per_month": 2.5})
    assert (made["budget"]["tokens_per_day"], made["budget"]["dollars_per_month"]) == (1000, 2.5)
    changed = signed_in.put(
        path_of(made), {"budget": {"tokens_per_day": None, "when_reached": "hand_over"}}
    ).json["data"]
    assert changed["budget"] == {**NONE, "dollars_per_month": 2.5, "when_reached": "hand_over"}
    assert changed["version"] == made["version"], "limits are no part of a version"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens_per_day", -1),
        ("tokens_per_day", "5"),
        ("tokens_per_day", 1.5),
        ("tokens_per_day", 10**13),
        ("dollars_per_day", -0.5),
        ("dollars_per_day", "5"),
        ("dollars_per_day", 0.0000001),
        ("dollars_per_day", 10**7),
        ("when_reached", "explode"),
        ("per_year", 5),
    ],
)
def test_a_wrong_limit_is_refused(signed_in: ApiClient, name: str, value: Any) -> None:
    assert list(reasons(post(signed_in, budget={name: value}))) == [f"budget.{name}"]


def test_usage_shows_what_was_spent_and_what_is_left(
    signed_in: ApiClient, settings: Settings, tenant: Tenant
) -> None:
    made = make(signed_in, budget={"tokens_per_day": 5000})
    with model_server((OK, answer())) as server:
        use(settings, server)
        tried = try_bot(signed_in, made).json
    tokens = tried["usage"]["input_tokens"] + tried["usage"]["output_tokens"]
    found = usage(signed_in, made)
    day = found["bot"]["day"]["tokens"]
    assert day == {"used": tokens, "reserved": 0, "limit": 5000, "left": 5000 - tokens}
    assert found["bot"]["month"]["tokens"] == {
        "used": tokens,
        "reserved": 0,
        "limit": None,
        "left": None,
    }
    assert found["bot"]["day"]["dollars"]["used"] == pytest.approx(tried["cost"])
    assert found["tenant"]["day"]["tokens"]["used"] == tokens
    assert found["tenant"]["day"]["tokens"]["limit"] == config.current().bot_tokens_per_day
    assert (found["bot_id"], found["timezone"]) == (made["id"], tenant.timezone)


def test_a_bot_that_was_never_asked_has_used_nothing(signed_in: ApiClient) -> None:
    found = usage(signed_in, make(signed_in))
    assert found["bot"]["day"]["tokens"]["used"] == found["tenant"]["month"]["dollars"]["used"] == 0


def test_a_limit_below_what_was_spent_leaves_nothing(signed_in: ApiClient, tenant: Tenant) -> None:
    bot = new_bot(tenant.id)
    spender(bot, timezone=tenant.timezone).spend(500)
    shown = signed_in.put(f"/bots/{bot.id}", {"budget": {"tokens_per_day": 100}}).json["data"]
    assert usage(signed_in, shown)["bot"]["day"]["tokens"]["left"] == 0


def test_tries_are_refused_once_the_budget_is_used_up(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in, budget={"tokens_per_day": 10})
    with model_server((OK, answer())) as server:
        use(settings, server)
        refused = try_bot(signed_in, made)
        assert server.requests == []
    assert (refused.status_code, refused.json["code"]) == (429, "budget_reached")
    assert refused.json["details"] == {
        "scope": "bot",
        "period": "day",
        "unit": "tokens",
        "limit": 10,
    }
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert counted(signed_in.tenant_id) == (0, 0)
    assert told(signed_in.tenant_id) == [("bot.budget_reached", "bot", "day", "tokens", 0, 10)]


def test_a_try_that_the_server_refuses_costs_nothing(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in)
    with model_server(("500 Internal Server Error", failure("server_error"))) as server:
        use(settings, server)
        assert try_bot(signed_in, made).status_code == 503
    assert counted(signed_in.tenant_id) == (0, 0)


def test_a_server_of_ones_own_has_no_price(signed_in: ApiClient, settings: Settings) -> None:
    with model_server((OK, answer())) as server:
        answered = post(signed_in, budget={"dollars_per_day": 0}, **own(settings, server)).json
        made = answered["data"]
        assert answered["warnings"] == [manage.NO_PRICE]
        assert try_bot(signed_in, made).status_code == 200
    found = usage(signed_in, made)["bot"]["day"]
    assert found["tokens"]["used"] > 0
    assert found["dollars"]["used"] == 0


def test_the_platform_sets_the_limits_of_a_tenant(
    platform_admin: ApiClient, signed_in: ApiClient
) -> None:
    path = f"/tenants/{signed_in.tenant_id}"
    changed = platform_admin.put(path, {"bot_budget": {"tokens_per_day": 5, "dollars_per_day": 1}})
    assert changed.json["bot_budget"] == {**NONE, "tokens_per_day": 5, "dollars_per_day": 1}
    changed = platform_admin.put(path, {"bot_budget": {"dollars_per_day": None}})
    assert changed.json["bot_budget"] == {**NONE, "tokens_per_day": 5}
    made = make(signed_in)
    assert usage(signed_in, made)["tenant"]["day"]["tokens"]["limit"] == 5
    assert usage(signed_in, made)["tenant"]["day"]["dollars"]["limit"] == 20
    assert signed_in.get("/tenants/me").json["bot_budget"]["tokens_per_day"] == 5
    refused = signed_in.put("/tenants/me", {"bot_budget": {"tokens_per_day": 10**9}})
    assert refused.status_code == 422


def test_old_counters_are_removed(tenant: Tenant) -> None:
    bot = new_bot(tenant.id)
    spender(bot).spend(5)
    with db.tenant_session(tenant.id) as session:
        session.execute(
            text(
                "insert into recado.bot_spend select tenant_id, scope, scope_id, period,"
                " starts_on - 63, tokens, dollars, reserved_tokens, reserved_dollars"
                " from recado.bot_spend where period = 'day'"
            )
        )
    with db.system_session() as session:
        given = {**clean_up._parameters(), "after_tenant_id": UUID_BEFORE, "most": 10**6}
        assert tenant.id in set(session.scalars(clean_up.OLD, given))
    clean_up.clean_tenant(str(tenant.id))
    assert counted(tenant.id, "bot") == (5, 0)
    with db.tenant_session(tenant.id) as session:
        assert session.scalar(text("select count(*) from recado.bot_spend")) == 6


UUID_BEFORE = "00000000-0000-0000-0000-000000000000"


def test_a_limit_of_the_operator_holds_where_the_tenant_has_none(
    signed_in: ApiClient, settings: Settings
) -> None:
    config.use(replace(settings, bot_dollars_per_day=3))
    assert usage(signed_in, make(signed_in))["tenant"]["day"]["dollars"]["limit"] == 3
