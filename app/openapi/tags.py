"""The sections of the API's description, in the order in which a newcomer reads them."""

from typing import NamedTuple


class Tag(NamedTuple):
    """A section: its title, what it is about, and the blueprints whose operations it holds."""

    name: str
    description: str
    blueprints: tuple[str, ...]


TAGS = (
    Tag(
        "Signing in",
        "Begin here: exchange a username and a password for tokens, and keep them fresh.",
        ("sign_in",),
    ),
    Tag(
        "Your account",
        "Who you are, your password, your sign-ins and your second factor.",
        ("account",),
    ),
    Tag(
        "Channels",
        "Your numbers at a provider. You need one before you can send or receive.",
        ("channels",),
    ),
    Tag(
        "Sending",
        "Send text, media and templates. Every send is stored before it is answered.",
        ("sending", "send_whatsapp"),
    ),
    Tag(
        "Messages",
        "What was sent and received, what became of it, and what a person decides about it.",
        ("messages",),
    ),
    Tag(
        "Conversations",
        "The messages with one person on one channel, and whether free text may be sent now.",
        ("conversations",),
    ),
    Tag("Keyword replies", "Fixed answers to what customers write.", ("keyword replies",)),
    Tag(
        "Bots",
        "A model with your instructions and functions, which answers customers on one channel.",
        ("bots",),
    ),
    Tag(
        "Knowledge",
        "A bot's documents: it finds passages in them for each question, and quotes them.",
        ("knowledge",),
    ),
    Tag("API keys", "For your own systems: each key has scopes, and a mode.", ("api_keys",)),
    Tag("Your business", "Its settings, its members and its audit log.", ("own_tenant",)),
    Tag(
        "Inbox",
        "What providers told us, with the result of each event, and repair when one was lost.",
        ("inbox",),
    ),
    Tag("Platform", "The businesses of this installation, for its administrators.", ("tenants",)),
    Tag(
        "Webhooks",
        "What providers call. They sign their requests and need no token.",
        ("webhooks",),
    ),
    Tag(
        "State of the service",
        "For load balancers, status pages and Prometheus.",
        ("health", "state", "metrics"),
    ),
)

OF_BLUEPRINT = {blueprint: tag.name for tag in TAGS for blueprint in tag.blueprints}


def in_openapi() -> list[dict[str, str]]:
    return [{"name": tag.name, "description": tag.description} for tag in TAGS]
