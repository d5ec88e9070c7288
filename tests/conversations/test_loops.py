"""Two machines that talk are told from a person, by when and what is written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from app.conversations import loops
from app.conversations.loops import Said, is_loop

BEGIN = datetime(2026, 11, 26, 12, tzinfo=UTC)
THINKING = 6.0
"""Seconds that our bot takes to answer: it waits for 4, and its model for 2."""

Reply = Callable[[int], tuple[float, str]]
"""Number of the exchange → (seconds after our answer, text)."""

TEXT = """precio talla azul envío tienda mañana pedido cita horario pago tarjeta cambio regalo
zapatos camisa descuento factura dirección barrio número correo ayer gracias entonces"""
WORDS = TEXT.split()


def talk(reply: Reply, most: int = 100) -> int:
    """Let this one write to our bot; return after how many answers it is a loop, `most` if not."""
    said: list[Said] = []
    now = BEGIN
    for number in range(most):
        seconds, words = reply(number)
        now += timedelta(seconds=seconds)
        said.append(Said(now, True, words))
        if is_loop(said[-loops.WITHOUT_PAUSE * 3 :], number):
            return number
        now += timedelta(seconds=THINKING)
        said.append(Said(now, False, f"Our answer number {number}."))
    return most


def sentence(random: Random, words: int) -> str:
    return " ".join(random.choices(WORDS, k=words))


def machine(seed: int, fastest: float, slowest: float, words: int = 25) -> Reply:
    """A bot with a model: it writes something else each time, within these seconds."""
    random = Random(seed)  # noqa: S311
    return lambda _: (random.uniform(fastest, slowest), sentence(random, words))


def person(seed: int, typing: float, thinking: float) -> Reply:
    """Somebody who types so many characters a second and needs so many seconds to read and think
    in the middle; now and then they do something else for a minute."""
    random = Random(seed)  # noqa: S311

    def reply(_: int) -> tuple[float, str]:
        words = sentence(random, random.choice([1, 1, 2, 3, 5, 8, 12]))
        seconds = random.lognormvariate(0, 0.6) * thinking + len(words) / typing
        return seconds + (random.uniform(30, 120) if random.random() < 0.05 else 0), words

    return reply


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("fastest", "slowest"), [(0.2, 1), (1, 4), (5, 10)])
def test_a_bot_with_a_model_is_noticed_within_twelve_answers(
    seed: int, fastest: float, slowest: float
) -> None:
    assert talk(machine(seed, fastest, slowest)) <= 12


@pytest.mark.parametrize("seed", range(5))
def test_a_bot_that_waits_before_short_replies_is_noticed_within_fifty(seed: int) -> None:
    assert talk(machine(seed, 6, 14, words=4)) <= loops.WITHOUT_PAUSE + 1


def test_an_autoresponder_is_noticed_at_its_fourth_text() -> None:
    def reply(number: int) -> tuple[float, str]:
        return 45, f"Gracias por escribir. Su caso {4711 + number} será atendido, saludos."

    assert talk(reply) == 3


def test_an_autoresponder_between_other_texts_is_noticed() -> None:
    def reply(number: int) -> tuple[float, str]:
        away = "Estoy de vacaciones hasta el lunes, escríbame después."
        return 45, away if number % 2 else f"{WORDS[number % len(WORDS)]} {number}"

    assert talk(reply) == 7


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(
    ("typing", "thinking"),
    [(4, 6), (5, 8), (6, 5), (3, 15)],
    ids=["short of time", "quick", "very quick", "ordinary"],
)
def test_a_person_who_writes_for_an_hour_is_none(seed: int, typing: float, thinking: float) -> None:
    """A hundred exchanges: BOT_REPLIES_PER_HOUR allows sixty."""
    assert talk(person(seed, typing, thinking)) == 100


@pytest.mark.parametrize("word", ["sí", "ok", "no", "👍", "1", "siguiente", "gracias"])
def test_short_answers_to_many_questions_are_none(word: str) -> None:
    assert talk(lambda number: (3 + number % 5, word), most=30) == 30


def test_somebody_who_gets_no_answer_may_repeat_themselves() -> None:
    said = [
        Said(
            BEGIN + timedelta(seconds=20 * number), True, "¿Me pueden decir cuánto cuesta el envío?"
        )
        for number in range(6)
    ]
    assert not is_loop(said, 0)


def test_a_question_asked_three_times_is_none() -> None:
    question = "¿Me pueden decir cuánto cuesta el envío?"

    def reply(number: int) -> tuple[float, str]:
        return 40, question if number in {0, 2, 5} else f"{WORDS[number]} {number}"

    assert talk(reply, most=8) == 8


def test_so_many_answers_within_a_day_are_a_loop() -> None:
    said = [Said(BEGIN, True, "hola")]
    assert not is_loop(said, loops.MOST_A_DAY - 1)
    assert is_loop(said, loops.MOST_A_DAY)


def test_nothing_needs_to_be_looked_at_before_some_answers() -> None:
    assert loops.LEAST_ANSWERS == 3
