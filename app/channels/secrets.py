"""A channel's credentials: encrypted in the row, shown as hints."""

import json
from uuid import UUID

from sqlalchemy.orm import Session

from app.channels.providers.base import Json, Provider
from app.common import vault
from app.models import Channel

TABLE = "channels"
COLUMN = "credentials"


def seal(session: Session, channel_id: UUID, credentials: Json) -> bytes:
    plain = json.dumps(credentials).encode()
    return vault.seal(session, TABLE, COLUMN, channel_id, plain)


def unseal(session: Session, channel: Channel) -> Json:
    """Raises CannotOpen."""
    plain = vault.unseal(session, TABLE, COLUMN, channel.id, channel.credentials)
    found: Json = json.loads(plain)
    return found


def hints(provider: Provider, credentials: Json) -> Json:
    """Return `…last4` of each credential; credentials that are not secret are returned whole."""
    return {
        name: value if name in provider.plain_fields else vault.hint(value)
        for name, value in credentials.items()
    }
