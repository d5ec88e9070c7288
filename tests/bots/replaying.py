"""Replaying turns of a studio's bot."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bots.studio import Studio, calling
from tests.bots.turning import rows
from tests.common.census import row_counts
from tests.factories import Answer

ORDER = calling("find_order", {"number": "1042"})


def post(studio: Studio, **fields: Any) -> Answer:
    return studio.api.post(f"/bots/{studio.bot['id']}/replay", {"version": 1, **fields})


def replay(studio: Studio, **fields: Any) -> dict[str, Any]:
    """Replay the newest turn, and see that nothing is called, sent or stored meanwhile, but what
    its questions cost."""
    fields = fields if "turns" in fields else {"last": 1, **fields}
    with nothing_happens(studio):
        answer = post(studio, **fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


@contextmanager
def nothing_happens(studio: Studio) -> Iterator[None]:
    def state() -> dict[str, Any]:
        tables = ("messages", "turns", "conversations")
        found: dict[str, Any] = {
            table: rows(studio.conversation, f"select * from recado.{table} order by id")
            for table in tables
        }
        counted = row_counts(studio.api.tenant_id).items()
        counts = {f"rows of {table}": count for (_, table), count in counted}
        counts.pop("rows of bot_spend", None)
        return {**found, **counts, "calls": studio.called()}

    before = state()
    yield
    after = state()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, changed


def new_version(studio: Studio, **fields: Any) -> int:
    answer = studio.api.put(f"/bots/{studio.bot['id']}", fields)
    assert answer.status_code == 200, answer.text
    return int(answer.json["data"]["version"])
