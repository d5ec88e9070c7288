"""`flask --app wsgi demo …`: the demonstration data of a developer's own machine.

Its credentials are published, so it exists only where nobody else can reach it: in development mode
on loopback.
"""

from typing import Any, NamedTuple

import click
from flask.cli import AppGroup

from app import config
from app.auth import passwords
from app.auth import service as auth
from app.auth.sign_in import is_local_development
from app.cli.default_channel import channel_of_settings, ensure_channel, twilio_channel
from app.models import Role
from app.tenants import service as tenants
from app.tenants.users import NewUser


class DemoAccount(NamedTuple):
    """A Twilio account of the simulator, and its sender."""

    account_sid: str
    auth_token: str
    sender: str


DEMO = DemoAccount(
    "AC0000000000000000000000000000de30",
    "de300000000000000000000000000000",
    "whatsapp:+14155238886",
)
OTRA = DemoAccount(
    "AC0000000000000000000000000000de31",
    "de310000000000000000000000000000",
    "whatsapp:+14155550199",
)

group = AppGroup("demo", help="Demonstration data, for development on one's own machine.")


@group.command("seed")
def seed() -> None:
    """Create the tenants demo and otra, each with its user and channel, and the user admin.

    All passwords are "password". Existing data is not changed.
    """
    settings = config.current()
    if not is_local_development(settings):
        raise click.ClickException(
            "The demonstration data has published passwords. It is made only with "
            "APP_ENV=development and a PUBLIC_BASE_URL on 127.0.0.1 or localhost."
        )
    try:
        own = channel_of_settings(settings)
    except ValueError as error:
        raise click.ClickException(f"TWILIO_WHATSAPP_FROM: {error}") from error
    seed_tenant("demo", own or twilio_channel(*DEMO))
    seed_tenant("otra", twilio_channel(*OTRA))
    if auth.tenant_of_username("admin") is None:
        tenants.create_platform_admin(demo_user("admin", Role.PLATFORM_ADMIN))
    click.echo("Sign in as demo, otra or admin (the platform), each with the password 'password'.")


def seed_tenant(name: str, channel: dict[str, Any]) -> None:
    """Create a tenant with one channel and an owner of the same name."""
    tenant_id = auth.tenant_of_username(name)
    if tenant_id is None:
        new = tenants.NewTenant(name, owner=demo_user(name, Role.OWNER))
        tenant_id = tenants.create_tenant(new).id
    ensure_channel(tenant_id, channel)


def demo_user(username: str, role: Role) -> NewUser:
    """Create a user with the published password, which nobody can choose."""
    return NewUser(username, passwords.hash_password(passwords.DEMO_PASSWORD), role=role)
