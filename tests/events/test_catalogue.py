"""The catalogue has every event type; conftest.py checks the events of all tests against it."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from app import db
from app.events.catalogue import CATALOGUE, EventType
from app.events.describe import anchor
from app.models import Event, Tenant
from tests.events.payloads import wrong_payloads
from tests.factories import save

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_type_has_an_entry_and_every_entry_a_type() -> None:
    assert list(CATALOGUE) == list(EventType)


@pytest.mark.parametrize("event_type", EventType)
def test_a_name_is_a_thing_and_what_happened_to_it(event_type: EventType) -> None:
    thing, _, happened = event_type.partition(".")
    assert thing in {"message", "conversation", "contact", "channel", "bot", "inbox"}
    assert happened.rpartition("_")[2].endswith(("ed", "sent", "read", "uncertain", "unknown"))


def test_the_page_in_the_docs_is_the_one_that_the_command_prints(app: Flask) -> None:
    printed = app.test_cli_runner().invoke(args=["events", "describe"]).output
    assert (DOCS / "events.md").read_text() == printed


def test_each_type_has_a_heading_that_the_table_links_to() -> None:
    page = (DOCS / "events.md").read_text()
    for event_type in EventType:
        assert f"](#{anchor(event_type)})" in page
        assert f"\n## {event_type}\n" in page


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("message.sent", {}),
        ("message.pondered", {}),
        ("channel.resumed", {"channel_id": "00000000-0000-7000-8000-000000000000", "more": 1}),
    ],
)
def test_a_wrong_event_is_found(tenant: Tenant, event_type: str, data: dict[str, Any]) -> None:
    save(tenant.id, Event(type=event_type, data=data))
    assert [found for found, _ in wrong_payloads(tenant.id)] == [event_type]
    with db.tenant_session(tenant.id) as session:
        session.execute(delete(Event))
