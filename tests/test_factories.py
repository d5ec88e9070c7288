"""The factories create rows that the database accepts."""

from app.models import Tenant
from tests.factories import (
    create_channel,
    create_message,
    create_refresh_token,
    create_session,
    create_user,
)


def test_a_message_comes_with_all_that_it_needs(tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    message = create_message(tenant.id, body="Buenos días")
    assert (message.body, message.tenant_id) == ("Buenos días", tenant.id)
    assert message.channel_id != channel.id


def test_a_refresh_token_belongs_to_a_sign_in(tenant: Tenant) -> None:
    sign_in = create_session(create_user(tenant.id))
    assert create_refresh_token(sign_in).session_id == sign_in.id
