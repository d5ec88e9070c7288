"""Turns of a bot with a budget: what they cost, and what happens when it is used up."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from app import config, db
from app.bots import budget
from app.bots.budget import Account, Try
from app.bots.definition import FALLBACK, HANDOVER
from app.bots.spend_repository import Amount
from app.common import clock
from app.common.faultpoint import VARIABLE, InjectedFault
from tests.bots.spending import NO_LIMITS, counted, dollars, told
from tests.bots.studio import Studio, bot_id, calling, saying
from tests.bots.turning import hear, owner_of, rows, run, said
from tests.bots.turning import told as turns_told
from tests.factories import create_conversation

QUESTION = "¿Abren hoy?"
SORRY = FALLBACK["es"]


def limit(studio: Studio, **limits: Any) -> None:
    studio.change(budget=limits)


def test_a_turn_costs_what_the_model_says(studio: Studio) -> None:
    studio.script(saying("Sí."))
    studio.ask(QUESTION)
    turn = studio.turn()
    tokens = turn.usage["input"] + turn.usage["output"]
    for scope in ("tenant", "bot", "contact"):
        for period in ("day", "month"):
            assert counted(studio.conversation.tenant_id, scope, period) == (tokens, 0)
    assert dollars(studio.conversation.tenant_id) == turn.cost > 0
    assert turn.hold is None


def test_every_call_of_a_turn_counts(studio: Studio) -> None:
    studio.script(calling("find_order", {"number": "1042"}), saying("On its way."))
    assert studio.ask("¿Dónde está mi pedido 1042?") == ["On its way."]
    turn = studio.turn()
    tokens = turn.usage["input"] + turn.usage["output"]
    assert counted(studio.conversation.tenant_id) == (tokens, 0)
    assert dollars(studio.conversation.tenant_id) == turn.cost


@pytest.mark.parametrize(
    "rule",
    [{"do": "fail_500"}, {"do": "rate_limit", "retry_after": 60}, {"do": "no_quota"}],
)
def test_a_call_that_the_server_refused_costs_nothing(studio: Studio, rule: dict[str, Any]) -> None:
    studio.script(rule)
    assert studio.ask(QUESTION) == [SORRY]
    assert counted(studio.conversation.tenant_id) == (0, 0)


def test_a_call_without_an_answer_costs_what_it_reserved(studio: Studio) -> None:
    """The server may have answered, and bills it."""
    config.use(replace(config.current(), model_timeout_seconds=1))
    studio.script({"do": "hang", "seconds": 5})
    studio.ask(QUESTION)
    spent, reserved = counted(studio.conversation.tenant_id)
    assert spent > 2 * 500
    assert reserved == 0


def test_a_server_that_names_no_usage_is_charged_what_was_reserved(studio: Studio) -> None:
    studio.script(saying("Sí.", usage=None))
    studio.ask(QUESTION)
    spent, reserved = counted(studio.conversation.tenant_id)
    assert spent > 500
    assert reserved == 0


def test_without_budget_the_customer_reads_the_fallback_and_no_model_is_asked(
    studio: Studio,
) -> None:
    limit(studio, tokens_per_day=10)
    assert studio.ask(QUESTION) == [SORRY]
    assert studio.asked() == []
    assert (studio.turn().outcome, studio.turn().error) == ("fell_back", "budget_reached")
    assert owner_of(studio.conversation) == "bot"
    assert told(studio.conversation.tenant_id) == [
        ("bot.budget_reached", "bot", "day", "tokens", 0, 10)
    ]
    studio.ask("¿Hola?")
    assert len(told(studio.conversation.tenant_id)) == 1


def test_without_budget_people_take_over_if_the_business_wants_it(studio: Studio) -> None:
    limit(studio, tokens_per_day=10, when_reached="hand_over")
    assert studio.ask(QUESTION) == [HANDOVER["es"]]
    assert owner_of(studio.conversation) == "human"
    assert (studio.turn().outcome, studio.turn().error) == ("handed_over", "budget_reached")


def test_a_budget_that_ends_in_the_middle_of_a_turn_keeps_its_record(studio: Studio) -> None:
    tenant_id = studio.conversation.tenant_id
    studio.script(saying("Hola.", usage=None))
    studio.ask(QUESTION)
    (cost, _) = counted(tenant_id)
    limit(studio, contact_tokens_per_day=cost + cost * 3 // 2)
    studio.script(calling("find_order", {"number": "1042"}, usage=None), saying("On its way."))
    assert studio.ask("¿Y el 1042?") == [SORRY]
    turn = studio.turn()
    assert turn.error == "budget_reached"
    assert [call["state"] for call in turn.calls] == ["done"]
    spent, reserved = counted(tenant_id)
    assert 2 * cost < spent < cost + cost * 3 // 2
    assert reserved == 0


def test_the_operators_limit_holds_for_a_tenant_without_one(studio: Studio) -> None:
    config.use(replace(config.current(), bot_tokens_per_day=10))
    assert studio.ask(QUESTION) == [SORRY]
    assert told(studio.conversation.tenant_id)[0][:2] == ("bot.budget_reached", "tenant")


def test_a_raised_limit_holds_at_once(studio: Studio) -> None:
    studio.script(saying("Sí."))
    limit(studio, tokens_per_day=10)
    studio.ask(QUESTION)
    limit(studio, tokens_per_day=None)
    assert studio.ask(QUESTION) == ["Sí."]


def test_fifty_turns_at_once_on_a_budget_for_ten_ask_the_model_ten_times(studio: Studio) -> None:
    """Each call costs what it reserves, as the server names no usage."""
    studio.script(saying("Sí.", usage=None))
    studio.ask(QUESTION)
    (cost, _) = counted(studio.conversation.tenant_id)
    limit(studio, tokens_per_day=11 * cost)
    crowd = [another(studio, number) for number in range(50)]
    for each in crowd:
        hear(each.conversation, QUESTION)
    before = len(studio.asked())
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(Studio.run, crowd))
    assert len(studio.asked()) - before == 10
    assert counted(studio.conversation.tenant_id) == (11 * cost, 0)
    answers = said(studio.conversation)[1:]
    assert (answers.count("Sí."), answers.count(SORRY)) == (10, 40)


def another(studio: Studio, number: int) -> Studio:
    """Return the bot with another customer."""
    conversation = create_conversation(
        studio.conversation.tenant_id,
        channel_id=studio.conversation.channel_id,
        address=f"+1556{number:07d}",
        last_inbound_at=clock.now(),
    )
    return replace(studio, conversation=conversation)


@pytest.mark.parametrize("where", ["turn_reserved", "turn_thought", "turn_before_commit"])
def test_what_a_killed_worker_had_reserved_is_spent(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The model may have been asked, and with two of these it was."""
    studio.script(saying("Sí."))
    tenant_id = studio.conversation.tenant_id

    hear(studio.conversation, QUESTION)
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, f"{where}=error")
        with pytest.raises(InjectedFault):
            studio.run()
    spent, reserved = counted(tenant_id)
    assert spent == 0
    assert reserved > 500
    studio.lose_worker()
    studio.run()
    assert said(studio.conversation) == ["Sí."]
    usage = studio.turn().usage
    for scope in ("tenant", "bot", "contact"):
        assert counted(tenant_id, scope) == (reserved + usage["input"] + usage["output"], 0)


def test_a_worker_that_dies_at_each_try_asks_the_model_up_to_the_limit(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.script(saying("Sí."))
    tenant_id = studio.conversation.tenant_id
    limit(studio, tokens_per_day=4000)
    hear(studio.conversation, QUESTION)
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "turn_before_commit=error")
        for _ in range(3):
            with pytest.raises(InjectedFault):
                studio.run()
            studio.lose_worker()
    studio.run()
    assert said(studio.conversation) == [SORRY]
    spent, reserved = counted(tenant_id)
    assert len(studio.asked()) == 2
    assert 2 * 500 < spent <= 4000
    assert reserved == 0


@pytest.mark.parametrize(
    "change",
    [
        "update recado.conversations set owner = 'human'",
        "update recado.conversations set window_closed_at = now(), last_inbound_at = null",
        "update recado.turns set tries = 6",
    ],
)
def test_a_turn_that_is_closed_counts_what_was_reserved(studio: Studio, change: str) -> None:
    conversation = studio.conversation
    assert reserved_by_a_dead_worker(studio) == 70
    rows(conversation, change)
    run(conversation)
    assert [state for state, _, _ in turns_told(conversation)] == ["finished"]
    for scope in ("tenant", "bot", "contact"):
        assert counted(conversation.tenant_id, scope) == (70, 0)


def reserved_by_a_dead_worker(studio: Studio) -> int:
    """Leave a turn whose worker died during its call; return what is reserved."""
    hear(studio.conversation, QUESTION)

    def dies(_: Any, work: Any) -> Any:
        with db.tenant_session(studio.conversation.tenant_id) as session:
            account = Account(
                bot_id(studio), studio.conversation.contact_id, "UTC", NO_LIMITS, NO_LIMITS
            )
            attempt = Try(work.turn_id, work.tries)
            budget.reserve(session, account, attempt, Amount(70), None)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(studio.conversation, dies)
    studio.lose_worker()
    return counted(studio.conversation.tenant_id)[1]


def test_a_deleted_bot_has_spent_what_it_spent_and_what_was_reserved(studio: Studio) -> None:
    assert reserved_by_a_dead_worker(studio) == 70
    assert studio.api.delete(f"/bots/{studio.bot['id']}").status_code == 204
    run(studio.conversation)
    for scope in ("tenant", "bot", "contact"):
        assert counted(studio.conversation.tenant_id, scope) == (70, 0)
    assert said(studio.conversation) == []
