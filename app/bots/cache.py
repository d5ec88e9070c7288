"""The active definition of each bot, in Redis: without secrets, and for a minute at most.

A change writes a mark in the place of the entry. Whoever reads the database stores the result only
if the entry, or the mark, is still the one that was there before the reading. So what a slow reader
found before the change is never stored after it. While Redis is away, every read goes to the
database.
"""

import json
from dataclasses import dataclass
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from app import db
from app.bots import bots_repository as repository
from app.bots.definition import Definition, from_json
from app.common.ids import new_secret
from app.extensions import redis_handle

log = structlog.get_logger(__name__)

KEPT_SECONDS = 60
MARK = "changed "
MISSING = ""
"""What a reader saw if there was no entry."""

STORE = """
if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
"""


@dataclass(frozen=True)
class ActiveDefinition:
    version: int
    definition: Definition


def active(tenant_id: UUID, bot_id: UUID) -> ActiveDefinition | None:
    """Return the active definition, None if there is no such bot. Reads the database, in a
    transaction of its own, unless Redis has it."""
    before = _seen(tenant_id, bot_id)
    if before and not before.startswith(MARK):
        return _read(before)
    return _load(tenant_id, bot_id, before)


def reload(tenant_id: UUID, bot_id: UUID) -> ActiveDefinition | None:
    """Read the active definition from the database and store it."""
    return _load(tenant_id, bot_id, _seen(tenant_id, bot_id))


def forget(tenant_id: UUID, bot_id: UUID) -> None:
    """Call this after the commit of every change of a bot."""
    mark = MARK + new_secret(12)
    try:
        redis_handle.client.set(_key(tenant_id, bot_id), mark, ex=KEPT_SECONDS)
    except RedisError as error:
        # An entry that is there when Redis comes back ends within KEPT_SECONDS.
        log.warning("bot_not_forgotten", error=type(error).__name__)


def _load(tenant_id: UUID, bot_id: UUID, before: str | None) -> ActiveDefinition | None:
    with db.tenant_session(tenant_id) as session:
        found = repository.active_definition(session, bot_id)
    if found is None:
        return None
    if before is not None:
        entry = json.dumps({"version": found.version, "definition": found.definition})
        _store(_key(tenant_id, bot_id), before, entry)
    return ActiveDefinition(found.version, from_json(found.definition))


def _seen(tenant_id: UUID, bot_id: UUID) -> str | None:
    """Return the entry, MISSING if there is none, None if Redis is away."""
    try:
        found = redis_handle.client.get(_key(tenant_id, bot_id))
    except RedisError:
        return None
    return MISSING if found is None else str(found)


def _store(key: str, before: str, entry: str) -> None:
    try:
        redis_handle.client.eval(STORE, 1, key, before, entry, str(KEPT_SECONDS))
    except RedisError as error:
        log.warning("bot_not_remembered", error=type(error).__name__)


def _read(entry: str) -> ActiveDefinition:
    stored = json.loads(entry)
    return ActiveDefinition(stored["version"], from_json(stored["definition"]))


def _key(tenant_id: UUID, bot_id: UUID) -> str:
    return f"bot:{tenant_id}:{bot_id}"
