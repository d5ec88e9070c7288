"""Selecting a channel, and what a process caches of channels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select, update

from app import config, db
from app.channels import cache, service
from app.channels.errors import ChannelGone
from app.channels.providers.base import Accepted, OutgoingMessage
from app.channels.providers.twilio.retries import RETRY_FRAGMENT
from app.channels.service import ChannelSummary
from app.common.phone import parse_address
from app.config import Settings
from app.models import Channel, Tenant, TenantStatus
from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from tests.factories import create_tenant

CREDENTIALS = {"account_sid": f"AC{'3' * 32}", "auth_token": "a-token-of-this-test"}


@pytest.fixture(autouse=True)
def _nothing_remembered(app: object) -> None:
    cache.forget_all()


def add(tenant: Tenant, number: str = "+15550001234", **changes: Any) -> Channel:
    data = {"provider": "twilio", "phone_number": number, "credentials": CREDENTIALS, **changes}
    with db.tenant_session(tenant.id) as session:
        return service.create_channel(session, None, data)


def test_of_channels_added_at_once_one_is_the_default(tenant: Tenant) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add(tenant, f"+1555000200{number}"), range(4)))
    with db.tenant_session(tenant.id) as session:
        defaults = session.scalars(select(Channel.is_default)).all()
    assert sorted(defaults) == [False, False, False, True]


def set_row(tenant: Tenant, channel_id: UUID, **values: Any) -> None:
    """Change the row as another process would: this one is not told."""
    with db.tenant_session(tenant.id) as session:
        session.execute(update(Channel).where(Channel.id == channel_id).values(**values))


class Statements:
    """Counts the statements of this process."""

    def __enter__(self) -> "Statements":
        self.count = 0
        event.listen(db.Database.engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(db.Database.engine, "before_cursor_execute", self._note)

    def _note(self, *_: object) -> None:
        self.count += 1


def test_a_webhook_is_resolved_by_key_or_by_sender(tenant: Tenant) -> None:
    ours, other = add(tenant), create_tenant()
    theirs = add(other)
    pairs = [(tenant.id, ours.id), (other.id, theirs.id)]
    account = CREDENTIALS["account_sid"]
    assert service.resolve_webhook(ours.key, None, None) == pairs[:1]
    found = service.resolve_webhook(None, account, ours.phone_number)
    assert set(pairs) <= set(found)
    assert service.resolve_webhook("no such key", account, ours.phone_number) == []
    assert service.resolve_webhook(None, account, None) == []


def test_a_busy_webhook_asks_the_database_nothing(tenant: Tenant) -> None:
    channel = add(tenant)
    service.resolve_webhook(channel.key, None, None)
    service.webhook_channel(tenant.id, channel.id)
    with Statements() as asked:
        assert service.resolve_webhook(channel.key, None, None)
        found = service.webhook_channel(tenant.id, channel.id)
    assert asked.count == 0
    assert found is not None
    assert found.credentials == CREDENTIALS
    assert CREDENTIALS["auth_token"] not in repr(found)


def test_fresh_asks_again_but_not_for_every_forgery(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = add(tenant)
    service.webhook_channel(tenant.id, channel.id)
    with Statements() as asked:
        service.webhook_channel(tenant.id, channel.id, fresh=True)
    assert asked.count == 0
    monkeypatch.setattr(cache, "FRESH_SECONDS", 0.0)
    set_row(tenant, channel.id, status="disabled")
    found = service.webhook_channel(tenant.id, channel.id, fresh=True)
    assert found is not None
    assert found.status == "disabled"


def test_a_change_by_this_process_is_seen_at_once(tenant: Tenant, signed_in: Any) -> None:
    channel = add(tenant)
    service.webhook_channel(tenant.id, channel.id)
    body = {"credentials": {"auth_token": "another-token"}}
    assert signed_in.put(f"/channels/{channel.id}", body).status_code == 200
    found = service.webhook_channel(tenant.id, channel.id)
    assert found is not None
    assert found.credentials["auth_token"] == "another-token"


def test_a_closed_tenant_has_no_webhooks_and_sends_nothing(tenant: Tenant) -> None:
    channel = add(tenant)
    with db.tenant_session(tenant.id) as session:
        session.execute(update(Tenant).values(status=TenantStatus.CLOSED))
    assert service.webhook_channel(tenant.id, channel.id) is None
    with pytest.raises(ChannelGone):
        service.client_for(tenant.id, channel.id)


def test_nobody_else_s_channel_is_opened(tenant: Tenant) -> None:
    channel, other = add(tenant), create_tenant()
    assert service.webhook_channel(other.id, channel.id) is None
    for place in ((other.id, channel.id), (tenant.id, uuid4())):
        with pytest.raises(ChannelGone):
            service.client_for(*place)


def test_an_unchanged_channel_keeps_its_client(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = add(tenant)
    first = service.client_for(tenant.id, channel.id)
    cache._remembered.connections.clear()
    assert service.client_for(tenant.id, channel.id) is first
    set_row(tenant, channel.id, name="Renamed")
    cache._remembered.connections.clear()
    assert service.client_for(tenant.id, channel.id) is not first


def test_a_disabled_channel_has_no_client(tenant: Tenant) -> None:
    channel = add(tenant)
    set_row(tenant, channel.id, status="disabled")
    with pytest.raises(ChannelGone):
        service.client_for(tenant.id, channel.id)


def test_the_client_of_a_channel_sends(
    at_simulator: None, tenant: Tenant, control: Any, settings: Settings
) -> None:
    demo = {"account_sid": DEMO_ACCOUNT_SID, "auth_token": DEMO_AUTH_TOKEN}
    channel = add(tenant, "+14155238886", credentials=demo)
    message = OutgoingMessage(
        channel.phone_number, parse_address("+15551234567"), {"type": "text", "body": "x"}, "m=1"
    )
    outcome = service.client_for(tenant.id, channel.id).send(message)
    assert isinstance(outcome, Accepted)
    (sent,) = control.call("GET", "/messages")["messages"]
    url = f"{settings.public_base_url}/webhook/twilio/{channel.key}"
    assert sent["StatusCallback"] == f"{url}?m=1{RETRY_FRAGMENT}"


def test_channels_are_described_without_secrets(tenant: Tenant) -> None:
    channel = add(tenant)
    with db.tenant_session(tenant.id) as session:
        found = service.summaries(session, [channel.id, uuid4()])
    expected = ChannelSummary(channel.id, "+15550001234", "twilio", "+15550001234")
    assert found == {channel.id: expected}


def test_credentials_do_not_open_without_their_master_key(
    tenant: Tenant, settings: Settings
) -> None:
    channel = add(tenant)
    config.use(replace(settings, encryption_keys={"other": b"x" * 32}))
    try:
        with pytest.raises(Exception, match="ENCRYPTION_KEYS lacks the key 'k1'"):
            service.webhook_channel(tenant.id, channel.id)
    finally:
        config.use(settings)
    with db.tenant_session(tenant.id) as session:
        row = session.scalars(select(Channel)).one()
        assert service.open_credentials(session, row) == CREDENTIALS
