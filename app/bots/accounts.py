"""Who pays for what a bot asks its model, and up to which limits."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.bots import limits
from app.bots import spend_repository as repository
from app.bots.budget import Account
from app.bots.limits import Stored
from app.models import Bot


def account_of(bot: Bot, contact_id: UUID | None, timezone: str, of_tenant: Stored) -> Account:
    """`of_tenant` are the tenant's stored limits."""
    return Account(
        bot_id=bot.id,
        contact_id=contact_id,
        timezone=timezone,
        tenant=limits.of_tenant(of_tenant),
        bot=limits.read(bot.budget),
        when_reached=limits.when_reached(bot.budget),
    )


def account_for(session: Session, bot: Bot) -> Account:
    """Return the account of a bot that answers nobody in particular."""
    tenant = repository.tenant(session)
    return account_of(bot, None, tenant.timezone, tenant.bot_budget)
