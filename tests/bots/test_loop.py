"""A turn: the model is asked, its tools are run, until there is an answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.ai.catalogue import Usage
from app.ai.errors import Transient
from app.ai.types import (
    Outcome,
    Question,
    Replied,
    Reply,
    Role,
    Said,
    Tool,
    ToolCall,
    ToolResult,
)
from app.bots import loop
from app.bots.loop import MOST_CALLS, MOST_ROUNDS, Ending, ToolRun, Turn

QUESTION = Question("m", "Be kind.", (Said(Role.USER, "hola"),))


def reply(text: str = "", *calls: ToolCall, **fields: Any) -> Reply:
    given = {"outcome": Outcome.COMPLETE, "usage": Usage(10, output=5), "refusal": None, **fields}
    items = tuple({"type": "function_call", "call_id": call.id} for call in calls)
    return Reply(text=text, tool_calls=calls, items=items, response_id="r", **given)


def call(name: str = "look_up", arguments: str = '{"n": 1}', number: int = 1) -> ToolCall:
    return ToolCall(f"c{number}", name, arguments)


@dataclass
class Model:
    """Gives these replies in order, the last one again and again, and keeps the questions."""

    replies: list[Reply]
    questions: list[Question] = field(default_factory=list)

    def ask(self, question: Question) -> Reply:
        self.questions.append(question)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@dataclass
class Kit:
    """Tools that note their calls."""

    result: ToolRun = field(default_factory=lambda: ToolRun('{"found": true}'))
    runs: list[dict[str, Any]] = field(default_factory=list)
    tools: tuple[Tool, ...] = (Tool("look_up", "", {}), Tool("handoff_to_human", "", {}))

    def run(self, call: ToolCall, arguments: dict[str, Any]) -> ToolRun:
        self.runs.append(arguments)
        if call.name == "handoff_to_human":
            return ToolRun("{}", ending=Ending.HANDED_OVER)
        return self.result


def play(
    *replies: Reply, kit: Kit | None = None, may_go_on: Callable[[Turn], bool] = lambda _: True
) -> tuple[Turn, Model, Kit]:
    turn, model, kit = Turn(), Model(list(replies)), kit or Kit()
    loop.run(turn, QUESTION, kit, model.ask, may_go_on)
    return turn, model, kit


def test_an_answer_ends_the_turn() -> None:
    turn, _, _ = play(reply("¡Hola!"))
    assert (turn.ending, turn.text, turn.usage) == (
        Ending.ANSWERED,
        "¡Hola!",
        Usage(10, output=5),
    )


def test_a_tool_is_run_and_its_result_goes_back() -> None:
    turn, model, kit = play(reply("", call()), reply("Found."))
    assert (turn.ending, turn.text) == (Ending.ANSWERED, "Found.")
    assert kit.runs == [{"n": 1}]
    assert model.questions[1].items == (
        *QUESTION.items,
        Replied(({"type": "function_call", "call_id": "c1"},)),
        ToolResult("c1", '{"found": true}'),
    )
    assert [(each.name, each.state) for each in turn.calls] == [("look_up", "done")]
    assert turn.usage == Usage(20, output=10)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (call("rm_rf"), "no_such_tool"),
        (call(arguments="{"), "bad_arguments"),
        (call(arguments="[1]"), "bad_arguments"),
        (call(arguments='"x"'), "bad_arguments"),
        (call(arguments="[" * 100_000), "bad_arguments"),
    ],
)
def test_a_bad_call_is_told_to_the_model_and_runs_nothing(bad: ToolCall, code: str) -> None:
    turn, model, kit = play(reply("", bad), reply("Sorry."))
    assert kit.runs == []
    result = model.questions[1].items[-1]
    assert isinstance(result, ToolResult)
    assert json.loads(result.text)["error"] == code
    assert turn.text == "Sorry."


def test_empty_arguments_are_an_empty_object() -> None:
    _, _, kit = play(reply("", call(arguments="")), reply("ok"))
    assert kit.runs == [{}]


def test_a_model_that_never_stops_calling_is_asked_for_words() -> None:
    turn, model, kit = play(reply("thinking", call()))
    assert len(kit.runs) == MOST_ROUNDS
    assert [each.may_call_tools for each in model.questions] == [True] * MOST_ROUNDS + [False]
    assert turn.ending == Ending.ANSWERED


def test_many_calls_in_one_round_are_limited() -> None:
    many = tuple(call(number=number) for number in range(50))
    _, model, kit = play(reply("", *many), reply("ok"))
    assert len(kit.runs) == MOST_CALLS
    results = [each for each in model.questions[1].items if isinstance(each, ToolResult)]
    assert len(results) == 50, "each call needs a result"


def test_handing_over_ends_the_turn_at_once() -> None:
    calls = (call("handoff_to_human", "{}"), call(number=2))
    turn, model, kit = play(reply("One moment.", *calls))
    assert (turn.ending, turn.text) == (Ending.HANDED_OVER, "One moment.")
    assert len(model.questions) == len(kit.runs) == 1


def test_a_check_that_fails_stops_before_the_next_step() -> None:
    turn, model, kit = play(reply("", call()), may_go_on=lambda _: False)
    assert (turn.ending, model.questions, kit.runs) == (Ending.STOPPED, [], [])
    answers = iter([True, False])
    turn, model, kit = play(reply("", call()), may_go_on=lambda _: next(answers))
    assert (turn.ending, len(model.questions), kit.runs) == (Ending.STOPPED, 1, [])


def test_whether_something_was_changed_is_known_to_the_check() -> None:
    seen: list[bool] = []

    def check(turn: Turn) -> bool:
        seen.append(turn.has_changed)
        return True

    play(reply("", call()), reply("ok"), kit=Kit(ToolRun("{}", has_changed=True)), may_go_on=check)
    assert seen == [False, False, True]


@pytest.mark.parametrize(
    ("given", "ending"),
    [
        (reply("", refusal="I will not."), Ending.REFUSED),
        (reply(""), Ending.EMPTY),
        (reply("half", outcome=Outcome.FILTERED, error="content_filter"), Ending.EMPTY),
        (reply("", outcome=Outcome.FAILED, error="server_error"), Ending.EMPTY),
        (reply("", outcome=Outcome.CUT, error="max_output_tokens"), Ending.EMPTY),
        (reply("ok", usage=None), Ending.ANSWERED),
    ],
)
def test_an_answer_that_is_none(given: Reply, ending: Ending) -> None:
    turn, _, _ = play(given)
    assert turn.ending == ending


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ("We open at nine. We close at six. On Sun", "We open at nine. We close at six."),
        ("Yes. and a very long sentence without an end", None),
        ("no end", None),
    ],
)
def test_a_cut_answer_ends_with_a_sentence(cut: str, kept: str | None) -> None:
    turn, _, _ = play(reply(cut, outcome=Outcome.CUT))
    assert turn.text == (kept or f"{cut} …")


def test_a_long_result_is_cut_for_the_model() -> None:
    _, model, _ = play(reply("", call()), reply("ok"), kit=Kit(ToolRun("x" * 100_000)))
    result = model.questions[1].items[-1]
    assert isinstance(result, ToolResult)
    assert len(result.text) == loop.LONGEST_RESULT


def test_what_happened_before_an_error_is_kept() -> None:
    turn, kit = Turn(), Kit()
    replies = iter([reply("", call())])

    def ask(_: Question) -> Reply:
        try:
            return next(replies)
        except StopIteration:
            raise Transient("busy") from None

    with pytest.raises(Transient):
        loop.run(turn, QUESTION, kit, ask, lambda _: True)
    assert (len(turn.calls), turn.usage) == (1, Usage(10, output=5))
