"""Keyword replies: a customer's message that begins with a keyword gets the keyword's fixed
reply."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.bots import repository
from app.bots.errors import KeywordReplyNotFound
from app.common import audit, caps
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.common.wording import normalise
from app.conversations import service as conversations
from app.errors import AppError, InvalidInput
from app.messages import content
from app.messages import service as messages
from app.models import KeywordReply, Message, Priority, Sender

MOST_REPLIES = 200

log = structlog.get_logger(__name__)

DEFAULTS: tuple[tuple[list[str], str], ...] = (
    (
        ["hola", "buenas", "buenos dias", "oi"],
        "¡Hola! 👋 Gracias por escribirnos. Escribe *ayuda* para ver qué podemos hacer por ti.",
    ),
    (
        ["hello", "hi", "hey"],
        "Hello! 👋 Thanks for writing. Write *help* to see what we can do for you.",
    ),
    (
        ["ayuda"],
        "Puedes escribir *info* para saber de nosotros o *contacto* para hablar con una persona.",
    ),
    (["help"], "Write *information* to learn about us, or *contact* to talk with a person."),
    (["info", "informacion"], "Atendemos por WhatsApp todos los días. ¿En qué te ayudamos?"),
    (["information"], "We answer on WhatsApp every day. How can we help you?"),
    (["contacto"], "Con gusto: una persona de nuestro equipo te responderá por aquí."),
    (["contact"], "Of course: a person of our team will answer you here."),
)


def create_default_replies(session: Session) -> None:
    """Create the first keyword replies of a new tenant, in Spanish and English."""
    for keywords, reply in DEFAULTS:
        session.add(KeywordReply(keywords=keywords, reply=reply))


def matching(
    replies: Sequence[KeywordReply], text: str, *, is_whole_message: bool = False
) -> KeywordReply | None:
    """Return the reply whose longest keyword begins the text, compared by whole words. With
    `is_whole_message`, the keyword must be all of it."""
    words = f"{normalise(text)} "
    best: tuple[int, KeywordReply] | None = None
    for reply in replies:
        for keyword in reply.keywords:
            start = f"{normalise(keyword)} "
            if is_whole_message and words != start:
                continue
            if start.strip() and words.startswith(start) and (not best or len(start) > best[0]):
                best = (len(start), reply)
    return best[1] if best else None


def answer(session: Session, incoming: Message, *, has_bot: bool = False) -> bool:
    """Queue the reply to an incoming message, if it begins with a keyword; return whether it did.
    Where the channel has a bot, the keyword must be the whole message, because the bot answers
    longer ones; and the bot's limit of automatic replies applies.

    Does nothing where a person took over the conversation, or where automatic replies are paused.
    Runs in the transaction that stored the message, so that each message is answered once.
    """
    if not incoming.body:
        return False
    replies = repository.enabled(session)
    found = matching(replies, incoming.body, is_whole_message=has_bot)
    most = config.current().bot_replies_per_hour if has_bot else None
    if found is None or not conversations.may_reply_by_itself(
        session, incoming.conversation_id, incoming.body, own_texts(replies), most
    ):
        return found is not None
    order = messages.Order(
        content=content.text(found.reply),
        conversation_id=incoming.conversation_id,
        sender=Sender.BOT,
        priority=Priority.REPLY,
    )
    try:
        with session.begin_nested():
            messages.queue_message(session, order)
    except AppError as error:
        # The channel is disabled or the quota is used up. The incoming message is stored all the
        # same.
        log.warning("no_keyword_reply", message_id=str(incoming.id), code=error.code)
    return True


def own_texts(replies: Sequence[KeywordReply]) -> list[str]:
    """Return our texts that a machine could send back to us, except those that a person would write
    too."""
    keywords = {normalise(keyword) for reply in replies for keyword in reply.keywords}
    return [reply.reply for reply in replies if normalise(reply.reply) not in keywords]


def list_page(session: Session, page: PageRequest) -> Page[KeywordReply]:
    return repository.list_page(session, page)


def get(session: Session, reply_id: UUID) -> KeywordReply:
    """Raises KeywordReplyNotFound."""
    found = repository.get(session, db.tenant_of(session), reply_id)
    if found is None:
        raise KeywordReplyNotFound
    return found


def create(session: Session, actor: Principal, data: dict[str, Any]) -> KeywordReply:
    _check_keywords(data)
    caps.refuse_more(session, KeywordReply, MOST_REPLIES, "keyword replies")
    reply = KeywordReply(**data)
    session.add(reply)
    session.flush()
    audit.record(session, actor, "keyword_reply.created", ("keyword_reply", reply.id), data)
    return reply


def change(
    session: Session, actor: Principal, reply_id: UUID, data: dict[str, Any]
) -> KeywordReply:
    _check_keywords(data)
    reply = get(session, reply_id)
    for name, value in data.items():
        setattr(reply, name, value)
    audit.record(session, actor, "keyword_reply.updated", ("keyword_reply", reply_id), data)
    return reply


def _check_keywords(data: dict[str, Any]) -> None:
    """Raises InvalidInput for a keyword that no message can match."""
    bad = [place for place, each in enumerate(data.get("keywords", ())) if not normalise(each)]
    if bad:
        raise InvalidInput(
            {f"keywords.{place}": ["Must contain a letter or a digit."] for place in bad}
        )


def remove(session: Session, actor: Principal, reply_id: UUID) -> None:
    session.delete(get(session, reply_id))
    audit.record(session, actor, "keyword_reply.deleted", ("keyword_reply", reply_id))
