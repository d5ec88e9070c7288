# syntax=docker/dockerfile:1
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/recado
COPY requirements.txt /tmp/requirements.txt
# Compiled here, because the running container may not write beside its packages.
RUN /opt/recado/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements.txt \
    && /opt/recado/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON_VERSION}-slim-bookworm
# The model client reads the system's certificates; the slim image may come without them.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 recado \
    && useradd --system --uid 10001 --gid recado --home-dir /nonexistent --no-create-home recado
COPY --from=build /opt/recado /opt/recado
WORKDIR /srv/recado
COPY alembic.ini gunicorn.conf.py wsgi.py ./
COPY migrations ./migrations
COPY app ./app
RUN python -m compileall -q app migrations wsgi.py

ENV PATH=/opt/recado/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    PROMETHEUS_MULTIPROC_DIR=/tmp/metrics \
    WEB_PORT=8000 \
    WEB_CONCURRENCY=2 \
    WEB_THREADS=32
USER 10001:10001
EXPOSE 8000
# /tmp and /dev/shm are all that a process writes to: run it with --read-only --tmpfs /tmp.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['WEB_PORT'] + '/health', timeout=2)"]
# gunicorn reads WEB_CONCURRENCY itself, and gunicorn.conf.py. Old samples of an earlier container must not be counted.
CMD ["sh", "-c", "rm -rf \"$PROMETHEUS_MULTIPROC_DIR\" && mkdir -p \"$PROMETHEUS_MULTIPROC_DIR\" && exec gunicorn wsgi:app --bind \"0.0.0.0:$WEB_PORT\" --max-requests 20000 --max-requests-jitter 4000"]
