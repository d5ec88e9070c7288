"""The chaos driver: kills, freezes, crashes and restarts, in the order of the seed."""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import redis

from tests.chaos.books import ready_to_go
from tests.chaos.fleet import Fleet, pick
from tests.chaos.plan import USED, Attack, Plan

_WEB = tuple(name for name in USED if name.startswith(("send_", "inbox_")))
_INBOX = tuple(name for name in USED if name.startswith("apply_"))
_TURNS = tuple(name for name in USED if name.startswith("turn_"))
_SENDING = tuple(name for name in USED if name not in {*_WEB, *_INBOX, *_TURNS})
POINTS = {
    "web": _WEB,
    "worker-inbox": _INBOX,
    "worker-replies": _SENDING,
    "worker-delivery": _SENDING,
    "worker-turns": _TURNS,
}
"""The name of a process → the fault points in its code."""

CHANCE = {
    "send_before_commit": 0.01,
    "send_after_commit": 0.01,
    "inbox_before_commit": 0.01,
    "inbox_after_commit": 0.01,
    "apply_before_commit": 0.03,
    "apply_after_commit": 0.03,
    # There are far fewer turns than messages.
    **dict.fromkeys(_TURNS, 0.25),
}
OTHER_CHANCE = 0.1
"""The probability of points that a worker passes once for each message or group of messages."""

LATER = 0.2
"""The share of its probability that a point keeps after its first hit."""

AWAY_SECONDS = (1.0, 6.0)
CRASHED_SECONDS = (0.2, 2.0)
PATIENCE_SECONDS = 40.0
"""How long a process may take to end after SIGTERM. Then it is killed, which is counted."""

OURS = ("web", "worker", "beat")
TARGETS = ("worker", "worker child", "worker child", "web", "web child", "beat")
"""A kill hits one of these; workers do most of the work, so they are listed more often. A process
without children is killed itself."""


@dataclass(frozen=True)
class Return:
    """The return of Postgres or Redis, `at` in Unix time; `waiting`: ids of messages ready to be
    sent then."""

    attack: Attack
    at: float
    waiting: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ending:
    """A process that was asked to end, `asked` in Unix time; `code` as Popen gives it."""

    name: str
    asked: float
    seconds: float
    code: int


@dataclass
class Driver:
    """Carries out one plan on one fleet, in the main thread."""

    fleet: Fleet
    plan: Plan
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    frozen: dict[int, float] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)
    leaving: dict[str, float] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    ended_alone: Counter[str] = field(default_factory=Counter)
    returns: list[Return] = field(default_factory=list)
    is_over: bool = False

    def act(self, attack: Attack) -> None:
        match attack:
            case Attack.KILL:
                self._kill()
            case Attack.FREEZE:
                self._freeze()
            case Attack.CRASH:
                self.fleet.postgres.crash()
                time.sleep(self.dice.uniform(*CRASHED_SECONDS))
                self.fleet.postgres.start()
                self.returns.append(Return(attack, time.time()))
            case Attack.FLUSH:
                with redis.Redis.from_url(self.fleet.valkey.url) as client:
                    client.flushall()
                self._redis_is_back(attack)
            case Attack.AWAY:
                self.fleet.valkey.crash()
                time.sleep(self.dice.uniform(*AWAY_SECONDS))
                self.fleet.valkey.start()
                self._redis_is_back(attack)
            case Attack.RESTART:
                self._restart()
        self.done[attack] += 1

    def rest(self, seconds: float) -> None:
        """Wait, resuming processes that were frozen for long enough and restarting those that
        ended."""
        until = time.monotonic() + seconds
        while True:
            self._thaw(time.monotonic())
            self._revive()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.2, left))

    def arm(self) -> None:
        """Start web and workers with the fault points that were not hit yet."""
        for name in list(self.fleet.members):
            if self._points_of(name):
                self._kill_member(name)

    def end(self) -> None:
        """Resume all processes and start them again without fault points."""
        self.is_over = True
        self._thaw(float("inf"))
        self.struck = self.fleet.fault_hits()
        for name, member in self.fleet.members.items():
            if member.faults:
                _signal(member.process.pid, signal.SIGKILL)
                self.fleet.start_again(name)

    def missed(self) -> list[str]:
        """Return the fault points that were not hit yet."""
        hits = self.fleet.fault_hits()
        return [name for name in self.plan.fault_points if not hits[name]]

    def _kill(self) -> None:
        target = self.dice.choice(TARGETS)
        kind, _, child = target.partition(" ")
        name = self.dice.choice([each for each in self.fleet.members if each.startswith(kind)])
        if not child:
            self._kill_member(name)
            return
        found = pick(self.dice, self.fleet.children(name))
        if found is None:
            self._kill_member(name)
        else:
            _signal(found, signal.SIGKILL)

    def _kill_member(self, name: str) -> None:
        self.leaving.pop(name, None)
        self.fleet.members[name].process.kill()
        self.fleet.start_again(name, self._faults_for(name))

    def _faults_for(self, name: str) -> str:
        """Half of the restarted processes carry one fault point; all do while some are not hit yet.

        A worker carries one at a time: a process that dies at each of its steps would do nothing
        else. A web service survives the deaths of its children, and carries all.
        """
        points = self._points_of(name)
        if not points or self.is_over:
            return ""
        hits = self.fleet.fault_hits()
        missed = [each for each in points if not hits[each]]
        if missed:
            carried = missed if name.startswith("web") else [self.dice.choice(missed)]
            return ",".join(f"{each}=kill:{CHANCE.get(each, OTHER_CHANCE)}" for each in carried)
        if self.dice.random() < 0.5:
            return ""
        point = self.dice.choice(points)
        return f"{point}=kill:{LATER * CHANCE.get(point, OTHER_CHANCE):.3f}"

    def _points_of(self, name: str) -> list[str]:
        own = [points for kind, points in POINTS.items() if name.startswith(kind)]
        return [each for points in own for each in points if each in self.plan.fault_points]

    def _ours(self) -> list[str]:
        return [each for each in self.fleet.members if each.startswith(OURS)]

    def _restart(self) -> None:
        """Ask the next process in turn to end, as a deploy does; `rest` starts it again."""
        names = self._ours()
        name = names[self.done[Attack.RESTART] % len(names)]
        _signal(self.fleet.members[name].process.pid, signal.SIGTERM)
        self.leaving[name] = time.time()

    def _revive(self) -> None:
        """Start processes that ended; kill those that were asked to end and take too long."""
        for name, asked in self.leaving.items():
            if time.time() - asked > PATIENCE_SECONDS:
                _signal(self.fleet.members[name].process.pid, signal.SIGKILL)
        for name, code in self.fleet.dead().items():
            asked_at = self.leaving.pop(name, None)
            if asked_at is not None:
                self.endings.append(Ending(name, asked_at, time.time() - asked_at, code))
            elif code != -signal.SIGKILL:
                self.ended_alone[name.partition("-")[0]] += 1
            self.fleet.start_again(name, self._faults_for(name))

    def _redis_is_back(self, attack: Attack) -> None:
        now = time.time()
        self.returns.append(Return(attack, now, ready_to_go(self.fleet.database_url)))

    def _freeze(self) -> None:
        """Stop a whole process, or one child of it, for a while."""
        name = self.dice.choice(self._ours())
        own = self.fleet.members[name].process.pid
        found = pick(self.dice, [own, *self.fleet.children(name)]) or own
        seconds = self.dice.uniform(1.0, self.plan.longest_freeze)
        _signal(found, signal.SIGSTOP)
        self.frozen[found] = time.monotonic() + seconds

    def _thaw(self, now: float) -> None:
        for process, until in list(self.frozen.items()):
            if until <= now:
                _signal(process, signal.SIGCONT)
                del self.frozen[process]


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)
