"""`flask --app wsgi inbox …`: the inbox of events that providers sent."""

from datetime import UTC, datetime
from uuid import UUID

import click

from app.cli.group import CommandGroup
from app.common import clock
from app.errors import AppError
from app.inbox import service as inbox

group = CommandGroup("inbox", help="The inbox of events that providers sent.")


@group.command("repair")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
    help="Read the lists from this time on (UTC); by default only new messages.",
)
@click.option("--tenant", type=click.UUID, help="Only this tenant.")
@click.option("--channel", type=click.UUID, help="Only this channel.")
def repair(since: datetime | None, tenant: UUID | None, channel: UUID | None) -> None:
    """Read the providers' lists and store the messages that no webhook reported. Nothing is stored
    twice.

    The scheduler does the same every 15 minutes and after an outage. Nothing is read from before a
    channel was added, or from before INBOX_RETENTION_DAYS.
    """
    moment = since.replace(tzinfo=UTC) if since else None
    if moment is not None and moment > clock.now():
        raise click.BadParameter("This time is in the future. Times are UTC.", param_hint="--since")
    chosen = [
        place
        for place in inbox.active_channels()
        if tenant in (None, place[0]) and channel in (None, place[1])
    ]
    failed = stored = 0
    for number, (tenant_id, channel_id) in enumerate(chosen, start=1):
        done = repair_one(tenant_id, channel_id, moment)
        failed += done is None
        stored += done.stored if done else 0
        told = (
            (f"{done.listed} listed, {done.stored} stored")
            if done
            else "not possible now; tried again later"
        )
        click.echo(f"{number}/{len(chosen)} {tenant_id} {channel_id} {told}")
    click.echo(f"{stored} messages stored from {len(chosen) - failed} of {len(chosen)} channels.")
    if failed:
        raise click.ClickException(f"{failed} lists could not be read; the scheduler tries again.")


def repair_one(tenant_id: UUID, channel_id: UUID, since: datetime | None) -> inbox.Repaired | None:
    """Return None when it is not possible now."""
    try:
        return inbox.repair_now(tenant_id, channel_id, since)
    except AppError:
        # It was removed or disabled a moment ago.
        return None
