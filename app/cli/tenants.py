"""`flask --app wsgi tenants …`: the businesses of this installation, and its administrators."""

import sys

import click

from app import config
from app.cli.default_channel import channel_of_settings, ensure_channel
from app.cli.group import CommandGroup
from app.common.pagination import PageRequest
from app.errors import AppError, NotFound
from app.models import Role
from app.tenants import service, users
from app.tenants.naming import is_timezone, is_username

group = CommandGroup("tenants", help="The businesses of this installation, and its administrators.")

NO_CHANNEL = (
    "Set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_WHATSAPP_FROM, or leave "
    "--with-default-channel out."
)


def read_password(from_stdin: bool) -> str:
    """Read one line of standard input, or prompt for the password twice."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def new_user(username: str, name: str, role: Role, from_stdin: bool) -> users.NewUser:
    """Raises ClickException with the reason when the username or the password is not allowed."""
    if not is_username(username):
        raise click.ClickException("A username has 3 to 64 printable characters without spaces.")
    try:
        return users.new_user(username, read_password(from_stdin), name, role)
    except AppError as error:
        raise click.ClickException(reason_of(error)) from error


def reason_of(error: AppError) -> str:
    fields = error.details.get("fields", {})
    return " ".join(reason for reasons in fields.values() for reason in reasons) or error.message


def check_timezone(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """Raises BadParameter."""
    if not is_timezone(name):
        raise click.BadParameter("Give an IANA time zone such as America/Mexico_City.")
    return name


@group.command("create-admin")
@click.option("--username", prompt=True)
@click.option("--name", default="", help="The person's name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_admin(username: str, name: str, password_stdin: bool) -> None:
    """Create a platform administrator, who manages the whole installation."""
    new = new_user(username, name, Role.PLATFORM_ADMIN, password_stdin)
    try:
        user = service.create_platform_admin(new)
    except AppError as error:
        raise click.ClickException(reason_of(error)) from error
    click.echo(f"{user.username} is a platform administrator now.")


@group.command("create")
@click.option("--name", prompt="Name of the business", help="The business's name.")
@click.option(
    "--owner", prompt="Username of its first owner", help="The username of its first owner."
)
@click.option("--timezone", default="UTC", show_default=True, callback=check_timezone)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--with-default-channel",
    is_flag=True,
    help="Add the sender of the TWILIO_… settings as its channel.",
)
def create(
    name: str, owner: str, timezone: str, password_stdin: bool, with_default_channel: bool
) -> None:
    """Create a business with its first owner."""
    try:
        channel = channel_of_settings(config.current()) if with_default_channel else None
    except ValueError as error:
        raise click.ClickException(f"TWILIO_WHATSAPP_FROM: {error}") from error
    if with_default_channel and channel is None:
        raise click.ClickException(NO_CHANNEL)
    first = new_user(owner, "", Role.OWNER, password_stdin)
    try:
        tenant = service.create_tenant(service.NewTenant(name, timezone=timezone, owner=first))
        if channel is not None:
            ensure_channel(tenant.id, channel)
    except AppError as error:
        raise click.ClickException(reason_of(error)) from error
    click.echo(f"{tenant.id}  {tenant.name}")


@group.command("list")
def list_all() -> None:
    """List every business: id, status, name."""
    asking = service.first_platform_admin()
    if asking is None:
        raise click.ClickException(
            "There is no platform administrator yet: flask --app "
            "wsgi tenants create-admin --username …"
        )
    cursor: str | None = None
    while True:
        page = service.list_tenants(asking, PageRequest(limit=100, cursor=cursor))
        for tenant in page.items:
            click.echo(f"{tenant.id}  {tenant.status:<7} {tenant.name}")
        cursor = page.next_cursor
        if cursor is None:
            return


@group.command("remove-second-factor")
@click.argument("username")
def remove_second_factor(username: str) -> None:
    """Remove the second factor of somebody who lost the phone and the recovery codes."""
    try:
        users.remove_second_factor_of(username)
    except NotFound as error:
        raise click.ClickException(f"There is nobody with the username {username!r}.") from error
    click.echo(f"{username} signs in with the password alone now.")
