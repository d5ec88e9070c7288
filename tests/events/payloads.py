"""Checks that recorded events match the catalogue."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select

from app import db
from app.events.catalogue import CATALOGUE
from app.models import Event


def wrong_payloads(tenant_id: UUID) -> Iterator[tuple[str, object]]:
    """Yield (type, problem) for each event of this tenant that does not match the catalogue."""
    with db.tenant_session(tenant_id) as session:
        events = session.scalars(select(Event)).all()
    for event in events:
        entry = CATALOGUE.get(event.type)  # type: ignore[call-overload]  # a StrEnum is a str
        if entry is None or event.version != entry.version:
            yield event.type, f"version {event.version} is not in the catalogue"
        elif problems := entry.payload().validate(event.data):
            yield event.type, problems
