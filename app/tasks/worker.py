"""What `celery -A app.tasks.worker` loads: the app with its settings read."""

from app.tasks.celery_app import bootstrap

celery = bootstrap()
