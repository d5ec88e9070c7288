from typing import Any

import pytest

from app.knowledge import reading
from app.models import Bot, Tenant
from app.tasks import due, ring
from tests.factories import create_bot


@pytest.fixture
def bot(tenant: Tenant) -> Bot:
    return create_bot(tenant.id)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The tasks that were enqueued, as (task, *ids)."""
    calls: list[tuple[Any, ...]] = []

    def note(task: str, *ids: Any, countdown: float = 0.0) -> None:
        calls.append((task, *ids))

    for module in (ring, reading, due):
        monkeypatch.setattr(module, "send", note)
    return calls
