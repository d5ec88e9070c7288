"""The module that `celery -A app.tasks.worker` loads: the app with its settings."""

import sys

from app import config, db
from app.common import vault
from app.config import SettingsError
from app.tasks.celery_app import bootstrap

# Python's default is 5 ms: a reply would wait that long, several times, for threads that record a
# campaign or apply receipts. Measured with 50,000 queued messages: the median of a reply falls by a
# quarter.
sys.setswitchinterval(0.0005)

try:
    celery = bootstrap()
    db.refuse_unsafe(config.current())
    vault.refuse_wrong_keys()
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(3)
