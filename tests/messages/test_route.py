"""Which channel an order is sent from, and to whom."""

import pytest
from sqlalchemy import update

from app import db
from app.channels.errors import ChannelDisabled, NoChannel, UnknownSender
from app.common.phone import parse_address
from app.errors import InvalidInput
from app.messages import content, route
from app.messages.route import Order, Route
from app.models import Channel, Tenant
from tests.factories import create_channel

SOMEBODY = parse_address("+15557771234")
FIRST, SECOND = "+15550001234", "+15550001235"


def add(tenant: Tenant, number: str = FIRST, *, is_default: bool = False) -> Channel:
    return create_channel(tenant.id, phone_number=number, is_default=is_default)


def disable(channel: Channel) -> None:
    with db.tenant_session(channel.tenant_id) as session:
        session.execute(update(Channel).where(Channel.id == channel.id).values(status="disabled"))


def find(tenant: Tenant, number: str | None) -> Route:
    order = Order(content=content.text("hello"), to=SOMEBODY, from_number=number)
    with db.tenant_session(tenant.id) as session:
        return route.find(session, order)


def test_the_default_sends_unless_a_number_is_named(tenant: Tenant) -> None:
    first, second = add(tenant, is_default=True), add(tenant, SECOND)
    assert find(tenant, None).channel.id == first.id
    assert find(tenant, f"whatsapp:{SECOND}").channel.id == second.id


def test_of_two_channels_with_one_number_the_active_one_sends(tenant: Tenant) -> None:
    first, second = add(tenant), add(tenant)
    assert find(tenant, first.phone_number).channel.id == first.id
    disable(first)
    assert find(tenant, first.phone_number).channel.id == second.id


def test_what_cannot_send_says_why(tenant: Tenant) -> None:
    with pytest.raises(NoChannel):
        find(tenant, None)
    channel = add(tenant, is_default=True)
    with pytest.raises(UnknownSender):
        find(tenant, "+15550009999")
    with pytest.raises(InvalidInput):
        find(tenant, "nonsense")
    disable(channel)
    for number in (None, channel.phone_number):
        with pytest.raises(ChannelDisabled):
            find(tenant, number)


def test_one_person_has_one_thread_on_each_channel(tenant: Tenant) -> None:
    first, second = add(tenant, is_default=True), add(tenant, SECOND)
    ways = [find(tenant, number) for number in (None, second.phone_number) * 2]
    threads = [each.conversation for each in ways]
    assert [each.id for each in threads[:2]] == [each.id for each in threads[2:]]
    assert [each.channel_id for each in threads[:2]] == [first.id, second.id]
    assert len({each.contact_id for each in threads}) == 1
