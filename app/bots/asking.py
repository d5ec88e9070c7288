"""Asking the model of a bot, within its budgets and through its breaker."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from app import db
from app.ai import catalogue, client, options
from app.ai.catalogue import Price, Usage
from app.ai.errors import AiError, Canceled
from app.ai.types import Endpoint, Question, Replied, Reply, ToolCall
from app.bots import breaker, budget, remedies
from app.bots.breaker import Passage
from app.bots.budget import NOTHING, Account, BudgetFull, Hold, Settlement, Try, TurnLost
from app.bots.errors import ModelMisconfigured
from app.bots.model_choice import Choice
from app.bots.spend_repository import Amount
from app.common.egress import Call
from app.common.faultpoint import faultpoint
from app.events import service as events
from app.events.catalogue import EventType

AROUND_ITEM = 16
"""Tokens that a model counts around each item and each tool, at most."""

BYTES_A_TOKEN = 2
"""In what the business wrote. Texts of people have about four; this leaves room for lists and
codes."""

UNCERTAIN = frozenset({"unreachable", "canceled", "invalid_answer"})
"""Codes of failures after which nobody can say what the call cost, once it was sent. An answer with
an error of the server costs nothing."""


@dataclass(frozen=True)
class Source:
    """A model at a server. `price` is None where it is not known."""

    endpoint: Endpoint
    price: Price | None


def source_of(endpoint: Endpoint, choice: Choice) -> Source:
    """Other servers than OpenAI's have prices of their own."""
    is_known = choice.model is not None and endpoint.is_openai
    return Source(endpoint, choice.model.price if is_known and choice.model else None)


def most(source: Source, question: Question) -> Amount:
    """Return the most that a question can cost.

    What customers write and tools answer is counted as one token a byte, which no text can exceed:
    whoever wants to break a budget chooses the text. What the business itself wrote is counted by
    what texts have.
    """
    asked = client.fitting(source.endpoint, question)
    own = len(asked.instructions.encode())
    own += sum(len(json.dumps(options.function(tool)).encode()) for tool in asked.tools)
    foreign = 0
    for item in asked.items:
        if isinstance(item, Replied):
            foreign += len(json.dumps(item.items).encode())
        elif isinstance(item, ToolCall):
            foreign += len(f"{item.name}{item.arguments}".encode())
        else:
            foreign += len(item.text.encode())
    around = AROUND_ITEM * (1 + len(asked.items) + len(asked.tools))
    sent = own // BYTES_A_TOKEN + foreign + around
    return _amount(source, Usage(input=sent, cache_written=sent, output=options.most_tokens(asked)))


def _amount(source: Source, usage: Usage) -> Amount:
    tokens = usage.input + usage.output
    if source.price is None:
        return Amount(tokens)
    return Amount(tokens, catalogue.cost(source.price, usage))


def used(source: Source, usage: Usage | None, reserved: Amount) -> Amount:
    """Return what a call cost. Where the server does not say, it is what was reserved."""
    return reserved if usage is None else _amount(source, usage)


Ask = Callable[[Source, Question, Call], Reply]
"""Raises AiError, BudgetFull."""


class Meter:
    """Asks the model in one attempt at a turn: each call is reserved before it is made.

    `settlement` is the last call; who finishes the turn settles it.
    """

    def __init__(self, tenant_id: UUID, account: Account, attempt: Try) -> None:
        self.settlement: Settlement | None = None
        self._tenant_id = tenant_id
        self._account = account
        self._attempt = attempt

    def ask(self, source: Source, question: Question, call: Call) -> Reply:
        """Raises AiError, BudgetFull."""
        with guarded(self._tenant_id, self._account, source.endpoint, question.model, call):
            hold = self._reserve(most(source, question))
            self._end(hold, hold.amount)
            faultpoint("turn_reserved")
            try:
                reply = client.ask(source.endpoint, question, call)
            except AiError as error:
                self._end(hold, hold.amount if is_uncertain(error, call) else NOTHING)
                raise
        self._end(hold, used(source, reply.usage, hold.amount))
        return reply

    def _reserve(self, wanted: Amount) -> Hold:
        try:
            with db.tenant_session(self._tenant_id) as session:
                return budget.reserve(
                    session, self._account, self._attempt, wanted, self.settlement
                )
        except TurnLost as error:
            raise Canceled("turn_lost") from error
        except BudgetFull as error:
            with db.tenant_session(self._tenant_id) as session:
                budget.note_full(session, self._account, error)
            raise

    def _end(self, hold: Hold, amount: Amount) -> None:
        self.settlement = Settlement(self._account, self._attempt, hold, amount)


def is_uncertain(error: AiError, call: Call) -> bool:
    """Return whether the call may have been answered, and billed, although it failed."""
    return error.code in UNCERTAIN and call.is_written


@contextmanager
def guarded(
    tenant_id: UUID, account: Account, endpoint: Endpoint, model: str, call: Call
) -> Iterator[Passage]:
    """Call a model in the block, through its breaker. Tells the tenant of a failure that only they
    can end.

    Raises AiError, also before the block, if no call may be made now.
    """
    passage = breaker.enter(tenant_id, endpoint, model, call)
    try:
        yield passage
    except AiError as error:
        if passage.failed(error):
            _tell(tenant_id, account, endpoint, model, error)
        raise
    passage.succeeded()


def _tell(
    tenant_id: UUID, account: Account, endpoint: Endpoint, model: str, error: AiError
) -> None:
    """Record that the model cannot be used until somebody changes something."""
    problem = {
        "code": ModelMisconfigured.code,
        "cause": ModelMisconfigured.message,
        "remedy": remedies.of_misconfigured(error, endpoint),
        "provider_code": remedies.known_code(error) or None,
    }
    told = {"bot_id": str(account.bot_id), "model": model, "error": problem}
    with db.tenant_session(tenant_id) as session:
        events.record(session, EventType.BOT_MODEL_FAILED, told)


@dataclass
class Booking:
    """A call outside of a turn. It counts as `used`: at first the most that it may cost."""

    used: Amount


@contextmanager
def booked(tenant_id: UUID, account: Account, wanted: Amount, call: Call) -> Iterator[Booking]:
    """Make a call in the block, within the budgets of the tenant and of the bot, and set what it
    used. Raises BudgetFull before the block."""
    try:
        with db.tenant_session(tenant_id) as session:
            day = budget.book(session, account, wanted)
    except BudgetFull as error:
        with db.tenant_session(tenant_id) as session:
            budget.note_full(session, account, error)
        raise
    booking = Booking(wanted)
    try:
        yield booking
    except AiError as error:
        booking.used = wanted if is_uncertain(error, call) else NOTHING
        raise
    finally:
        with db.tenant_session(tenant_id) as session:
            budget.correct(session, account, day, wanted, booking.used)


def ask_once(
    tenant_id: UUID, account: Account, source: Source, question: Question, call: Call
) -> Reply:
    """Ask outside of a turn, within the budgets of the tenant and of the bot.

    Raises AiError, BudgetFull.
    """
    wanted = most(source, question)
    with booked(tenant_id, account, wanted, call) as booking:
        reply = client.ask(source.endpoint, question, call)
        booking.used = used(source, reply.usage, wanted)
        breaker.close(tenant_id, source.endpoint, question.model)
    return reply
