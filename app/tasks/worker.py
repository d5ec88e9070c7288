"""What `celery -A app.tasks.worker` loads: the app with its settings read."""

import sys

from app import config, db
from app.config import SettingsError
from app.tasks.celery_app import bootstrap

sys.setswitchinterval(0.0005)
try:
    celery = bootstrap()
    db.refuse_unsafe(config.current())
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(3)
