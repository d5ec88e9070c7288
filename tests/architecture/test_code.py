"""Every file follows the rules, and every rule detects a violation."""

from collections.abc import Callable

import pytest

from tests.architecture import arrows, habits
from tests.architecture.source import Source, sources

Rule = Callable[[Source], list[str]]

OURS = ("app", "simulator", "dev", "migrations", "bench")

RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {
    "imports point inwards": (arrows.wrong_arrows, OURS),
    "no import inside a function": (habits.late_imports, OURS),
    "no file longer than 400 lines": (habits.too_long, ()),
    "no name that says nothing": (habits.nameless, ()),
    "transactions are opened in app/db.py": (habits.opens_transactions, OURS),
    "nothing prints": (habits.prints, OURS),
    "the environment is read in app/config.py": (habits.reads_environment, OURS),
    "no secret or content is logged": (habits.logs_secrets, OURS),
    "vendor names stay with the provider": (habits.speaks_vendor, OURS),
    "endpoints and schemas hold no SQL": (habits.queries_outside_repositories, OURS),
    "SQL stands in repositories": (habits.sql_outside_repositories, OURS),
    "repositories know no service": (habits.repositories_that_know_services, OURS),
    "lifecycle alone changes a status": (habits.writes_status, OURS),
    "ownership alone changes an owner": (habits.writes_owner, OURS),
    "routes and pages have one dialect": (habits.other_dialect, OURS),
}

EXCEPTIONS: tuple[tuple[Rule, dict[str, str]], ...] = (
    (habits.opens_transactions, habits.MAKES_ENGINES),
    (habits.reads_environment, habits.READS_ENVIRONMENT),
    (habits.speaks_vendor, habits.VENDOR_HOMES),
    (habits.sql_outside_repositories, habits.SQL_HOMES),
    (habits.writes_status, habits.STATUS_HOMES),
    (habits.writes_owner, habits.OWNER_HOMES),
)

WRONG_ARROWS = (
    ("app.messages.endpoints", "from app.messages import repository"),
    ("app.messages.endpoints", "from app.messages.repository import find"),
    ("app.delivery.tasks", "import app.delivery.repository"),
    ("app.messages.service", "from app.messages import endpoints"),
    ("app.messages.service", "from app.messages.schemas import MessageSchema"),
    ("app.messages.repository", "from app.messages import service"),
    ("app.messages.service", "from app.contacts import repository"),
    ("app.messages.service", "from app.contacts.merge import merge"),
    ("app.messages.service", "from app.channels.providers.twilio import client"),
    ("app.messages.service", "from app.tasks import celery_app"),
    ("app.messages.service", "from app.cli import demo"),
    ("app.models.message", "from app.messages import status"),
    ("app.models.message", "from app import db"),
    ("app.common.audit", "from app.auth import service"),
    ("app.common.audit", "from app.tasks.ring import ring"),
    ("app.extensions", "from app import config"),
    ("app.config", "from app.common import clock"),
    ("app.db", "from app.models import Message"),
    ("app.messages.service", "from . import repository"),
    ("app.messages.service", "from simulator.demo import DEMO_SENDER"),
    ("app.cli.demo", "import dev.ports"),
    ("app.cli.demo", "from app.tenants import repository"),
    ("app.cli.demo", "from app.tenants.endpoints import tenants"),
    ("app.webhook.endpoints", "from tests.factories import create_message"),
    ("simulator.world", "from app.common import ids"),
    ("dev.stack", "import app"),
    ("app.ai.client", "from flask import g"),
    ("app.ai.client", "from app.models import Bot"),
    ("app.ai.client", "from app import config"),
    ("app.ai.client", "from app.common import clock"),
)

RIGHT_ARROWS = (
    ("app.messages.endpoints", "from app.messages import schemas, service"),
    ("app.messages.service", "from app.messages import repository, status"),
    ("app.messages.repository", "from app.models import Message"),
    ("app.inbox.service", "from app.channels import service as channels"),
    ("app.inbox.service", "from app.tasks.ring import ring"),
    ("app.inbox.service", "from app.tasks import names, ring"),
    ("app.delivery.deliver", "from app.channels.providers.base import ProviderError"),
    ("app.channels.service", "from app.channels.providers import registry"),
    ("app.cli.demo", "from app.tenants import service"),
    ("app.cli.demo", "from app.tenants.users import NewUser"),
    ("app.blueprints", "from app.auth.endpoints import account"),
    ("app", "from app.tasks import celery_app"),
    ("app.ai.vendor", "import openai"),
    ("app.ai.vendor", "from app.common.egress import Call"),
    ("app.bots.service", "from app.ai.catalogue import catalogue"),
    ("dev.processes", "from simulator.demo import demo_accounts"),
)

VIOLATIONS = (
    ("no import inside a function", "app.messages.send", "def f() -> None:\n    import json"),
    ("no file longer than 400 lines", "app.messages.send", "\n" * 401),
    ("no name that says nothing", "app.messages.utils", ""),
    ("no name that says nothing", "app.messages.service2", ""),
    ("transactions are opened in app/db.py", "app.messages.send", "session.commit()"),
    ("transactions are opened in app/db.py", "app.messages.send", "with engine.begin(): ..."),
    ("transactions are opened in app/db.py", "app.messages.send", "session.rollback()"),
    (
        "transactions are opened in app/db.py",
        "app.messages.send",
        "from sqlalchemy.orm import Session\nSession(engine)",
    ),
    ("transactions are opened in app/db.py", "app.tasks.schedule", "sa.create_engine(url)"),
    ("nothing prints", "app.messages.send", "print('here')"),
    ("the environment is read in app/config.py", "app.messages.send", "os.environ['A']"),
    ("the environment is read in app/config.py", "app.messages.send", "os.getenv('A')"),
    ("no secret or content is logged", "app.messages.send", "log.info('sent', body=text)"),
    ("no secret or content is logged", "app.auth.service", "log.warning('no', token=t)"),
    ("no secret or content is logged", "app.auth.service", "log.bind(password=p)"),
    ("vendor names stay with the provider", "app.messages.send", "twilio_sid = 1"),
    ("vendor names stay with the provider", "app.messages.send", "from twilio.rest import Client"),
    ("vendor names stay with the provider", "app.messages.send", "if provider == 'twilio': ..."),
    ("vendor names stay with the provider", "app.messages.send", "f(MessagingServiceSid=1)"),
    ("vendor names stay with the provider", "app.messages.send", "from x import meta"),
    ("vendor names stay with the provider", "app.messages.send", "def send_meta(): ..."),
    (
        "endpoints and schemas hold no SQL",
        "app.messages.endpoints",
        "from sqlalchemy import select",
    ),
    ("SQL stands in repositories", "app.messages.send", "from sqlalchemy import update"),
    ("SQL stands in repositories", "app.bots.service", "from sqlalchemy import text"),
    (
        "repositories know no service",
        "app.messages.sending_repository",
        "from app.events import service as events",
    ),
    (
        "routes and pages have one dialect",
        "app.auth.endpoints",
        "@account.route('/me', methods=['GET'])\ndef me(): ...",
    ),
    (
        "routes and pages have one dialect",
        "app.auth.schemas",
        "class P(Schema):\n    next_cursor = fields.String()",
    ),
    ("ownership alone changes an owner", "app.bots.turns", "conversation.owner = Owner.BOT"),
    ("ownership alone changes an owner", "app.conversations.merging", "a.owner, a.b = c"),
    ("ownership alone changes an owner", "app.bots.turns", "update(C).values(owner='bot')"),
    ("lifecycle alone changes a status", "app.delivery.settle", "message.status = Status.SENT"),
    ("lifecycle alone changes a status", "app.inbox.apply", "update(M).values(status='sent')"),
    (
        "lifecycle alone changes a status",
        "app.delivery.repository",
        "text('update recado.messages m set retry_at = null, status = 1 where m.id = 2')",
    ),
)

HARMLESS = (
    ("SQL stands in repositories", "app.messages.send", "from sqlalchemy.orm import Session"),
    ("SQL stands in repositories", "app.inbox.due", "from sqlalchemy import text"),
    ("lifecycle alone changes a status", "app.channels.service", "channel.status = 'active'"),
    (
        "lifecycle alone changes a status",
        "app.delivery.repository",
        "text('update recado.messages set retry_at = null where status = 1')",
    ),
    ("no name that says nothing", "app.migrations.v0002_core", ""),
    ("transactions are opened in app/db.py", "app.messages.send", "session.begin_nested()"),
    ("no secret or content is logged", "app.messages.send", "log.info('x', message_id=i)"),
    (
        "vendor names stay with the provider",
        "app.messages.send",
        '"""Twilio answers so."""\nclass S:\n    class Meta: ...\nf(metadata={})',
    ),
    (
        "vendor names stay with the provider",
        "app.channels.providers.twilio.client",
        "from twilio.rest import Client",
    ),
)


@pytest.mark.parametrize("name", RULES)
def test_every_file_keeps_the_rule(name: str) -> None:
    rule, packages = RULES[name]
    assert [problem for source in sources(*packages) for problem in rule(source)] == []


@pytest.mark.parametrize(("importer", "statement"), WRONG_ARROWS)
def test_a_wrong_arrow_is_noticed(importer: str, statement: str) -> None:
    assert len(arrows.wrong_arrows(Source(importer, statement))) == 1


@pytest.mark.parametrize(("importer", "statement"), RIGHT_ARROWS)
def test_a_right_arrow_passes(importer: str, statement: str) -> None:
    assert arrows.wrong_arrows(Source(importer, statement)) == []


@pytest.mark.parametrize(("rule", "name", "text"), VIOLATIONS)
def test_a_planted_violation_is_noticed(rule: str, name: str, text: str) -> None:
    assert RULES[rule][0](Source(name, text)) != []


@pytest.mark.parametrize(("rule", "name", "text"), HARMLESS)
def test_what_only_looks_like_a_violation_passes(rule: str, name: str, text: str) -> None:
    assert RULES[rule][0](Source(name, text)) == []


@pytest.mark.parametrize(
    ("rule", "exceptions"), EXCEPTIONS, ids=[rule.__name__ for rule, _ in EXCEPTIONS]
)
def test_every_declared_exception_is_still_needed(
    rule: Rule, exceptions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = set(exceptions)
    for name in declared:
        monkeypatch.delitem(exceptions, name)
    breaking = {source.name for source in sources("app", "migrations") if rule(source)}
    assert declared - breaking == set()


def test_every_open_module_is_still_used() -> None:
    used = {each.target for source in sources("app") for each in source.imports}
    unused = {
        name
        for name in arrows.OPEN_MODULES
        if not any(target == name or target.startswith(f"{name}.") for target in used)
    }
    assert unused == set()
