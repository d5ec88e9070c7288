from collections.abc import Iterator

import pytest

from app import config
from app.ai import client
from app.config import Settings


@pytest.fixture(autouse=True)
def _settings_back(settings: Settings) -> Iterator[None]:
    client.refuses_temperature.forget()
    client.has_chat_only.forget()
    yield
    config.use(settings)
