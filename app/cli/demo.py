"""`flask --app wsgi demo …`: the demonstration data of a developer's own machine.

Its passwords are published while nobody else can reach the service, on loopback. With a public
address, such as that of a tunnel, they are generated.
"""

import secrets
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import click

from app import config
from app.auth import passwords
from app.auth import service as auth
from app.auth.sign_in import is_local_development, is_loopback
from app.cli.default_channel import channel_of_settings, ensure_channel, twilio_channel
from app.cli.demo_bot import ensure_bot
from app.cli.group import CommandGroup
from app.config import Environment, Settings
from app.models import Role
from app.tenants import service as tenants
from app.tenants import users
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

group = CommandGroup("demo", help="Demonstration data, for development on one's own machine.")


@group.command("seed")
def seed() -> None:
    """Create the tenants demo and otra, each with its user and channel, and the user admin.

    The channels are the simulator's; where TWILIO_API_BASE_URL names another provider, they are not
    created. demo has the channel of the TWILIO_ settings instead, if all of them are set. Where the
    channel of demo is the simulator's, a bot answers there.

    All passwords are "password" if PUBLIC_BASE_URL is on loopback; otherwise they are generated and
    printed once. Other existing data is not changed.
    """
    settings = config.current()
    if settings.app_env is not Environment.DEVELOPMENT:
        raise click.ClickException(
            "The demonstration data is only for APP_ENV=development. Create a business with "
            "'flask --app wsgi tenants create'."
        )
    try:
        own = channel_of_settings(settings)
    except ValueError as error:
        raise click.ClickException(f"TWILIO_WHATSAPP_FROM: {error}") from error
    is_public = not is_local_development(settings)
    simulated = is_simulated(settings)
    channel = own or (twilio_channel(*DEMO) if simulated else None)
    tenant_id = seed_tenant("demo", channel, is_public)
    if simulated and channel is not None:
        ensure_bot(tenant_id, channel["phone_number"], settings.twilio_api_base_url)
    seed_tenant("otra", twilio_channel(*OTRA) if simulated else None, is_public)
    if auth.tenant_of_username("admin") is None:
        tenants.create_platform_admin(demo_user("admin", Role.PLATFORM_ADMIN, is_public))
    elif is_public:
        protect("admin")
    if not is_public:
        click.echo("Sign in as demo, otra or admin (the platform) with the password 'password'.")


def is_simulated(settings: Settings) -> bool:
    """Return whether Twilio's API is on this machine: then it is the simulator."""
    return is_loopback(urlsplit(settings.twilio_api_base_url).hostname or "")


def seed_tenant(name: str, channel: dict[str, Any] | None, is_public: bool) -> UUID:
    """Create a tenant with an owner of the same name and, if one is given, a channel; return its
    id."""
    tenant_id = auth.tenant_of_username(name)
    if tenant_id is None:
        new = tenants.NewTenant(name, owner=demo_user(name, Role.OWNER, is_public))
        tenant_id = tenants.create_tenant(new).id
    elif is_public:
        protect(name)
    if channel is not None:
        ensure_channel(tenant_id, channel)
    return tenant_id


def demo_user(username: str, role: Role, is_public: bool) -> NewUser:
    """Return a user with the published password, or with a generated one, which is printed."""
    password = generated_password(username) if is_public else passwords.DEMO_PASSWORD
    return NewUser(username, passwords.hash_password(password), role=role)


def protect(username: str) -> None:
    """Give a user who still has the published password a generated one, which is printed."""
    if users.has_password(username, passwords.DEMO_PASSWORD):
        users.set_password(username, generated_password(username))


def generated_password(username: str) -> str:
    """Return a new password, and print it, for it is stored only as a hash."""
    password = secrets.token_urlsafe(12)
    click.echo(f"Sign in as {username} with the password {password} (shown this once).")
    return password
