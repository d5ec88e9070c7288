"""The servers that a bot asks: its model's and its actions'. Their keys are encrypted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from app.common import vault
from app.errors import InvalidInput
from app.models import Bot

TABLE = "bots"


class Server(StrEnum):
    """Each begins the names of its columns in `bots`, and is a field of the API."""

    MODEL = "model"
    ACTIONS = "actions"


@dataclass(frozen=True)
class ServerDetails:
    """What may be shown of a server: `api_key` is only the last characters of its key."""

    base_url: str | None
    api_key: str | None


def describe(bot: Bot, server: Server) -> ServerDetails:
    return ServerDetails(getattr(bot, f"{server}_base_url"), getattr(bot, f"{server}_key_hint"))


def change(session: Session, bot: Bot, server: Server, given: dict[str, Any]) -> None:
    """Set what is given of `base_url` and `api_key`; None removes it.

    Raises InvalidInput for a new address without a key: the stored key must not be sent to it, or
    whoever may change a bot could read its key.
    """
    former = getattr(bot, f"{server}_base_url")
    base_url = given.get("base_url", former)
    has_key = getattr(bot, f"{server}_key") is not None
    if base_url != former and has_key and "api_key" not in given:
        reason = "The stored key belongs to the former base_url: give a key, or null, too."
        raise InvalidInput({f"{server}.api_key": [reason]})
    setattr(bot, f"{server}_base_url", base_url)
    if "api_key" in given:
        _store(session, bot, server, given["api_key"])


def key(session: Session, bot: Bot, server: Server) -> str | None:
    """Return the decrypted key. Raises CannotOpen."""
    column = f"{server}_key"
    sealed = getattr(bot, column)
    if sealed is None:
        return None
    return vault.unseal(session, TABLE, column, bot.id, sealed).decode()


def _store(session: Session, bot: Bot, server: Server, secret: str | None) -> None:
    column, sealed = f"{server}_key", None
    if secret is not None:
        sealed = vault.seal(session, TABLE, column, bot.id, secret.encode())
    setattr(bot, column, sealed)
    setattr(bot, f"{column}_hint", None if secret is None else vault.hint(secret))
