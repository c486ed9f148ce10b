"""The daemon ends as by kill -9 at each of its named fail points (daemon/base/fail_point.hpp), in a
random order, each time at a random pass. Part of torture.py.

A round is one state folder and one load: a life for every point, then a life without one, and the
verdict. The names come from the sources, so that no new one is forgotten, and a point that no life
reached is a violation. Segments and what is kept are as small as they can be, so that rolls, retention
and removals happen in every life. Before a life that shall end in recovery comes a plain kill -9, and the
newest segment of each log gets a torn tail, as a power cut would leave it.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import time

import daemon as daemons
import load as loads
from outcome import Outcome

ROOMS = os.path.join(os.path.dirname(__file__), "..", "..", "daemon")
CALL = re.compile(r'\bfail_point\(\s*"([a-z_.]+)"\s*\)')
CONFIG = daemons.configuration("language duplicates",
                               "segment_bytes: 1MiB, result_bytes_max: 16MiB")
LIFE_DOCUMENTS = 1200  # acknowledged in a life, of 2 KB: some rolls of both logs
LIFE_RESULTS = 800     # and seen by every subscriber: on a fast disk acknowledgements are far ahead
FIRST_LIFE_DOCUMENTS = 6000  # so that retention has something to remove at once
RETENTION_S = 12  # the daemon looks every 10 s
# How far subscribers and their cursors may be behind, with what is under way: less than retention keeps.
BACKLOG = 1000
COMMIT_EVERY = 300


def names():
    found = set()
    for folder, _, files in os.walk(ROOMS):
        for name in files:
            if name.endswith((".cpp", ".hpp")) and not name.endswith("_test.cpp"):
                with open(os.path.join(folder, name)) as file:
                    found.update(CALL.findall(file.read()))
    return sorted(found)


def tear(folder):
    """A group that was only begun, behind the last whole one of each log's newest segment."""
    for log in ("intake", "result"):
        directory = os.path.join(folder, "state", log)
        segments = sorted(name for name in os.listdir(directory) if name.endswith(".seg"))
        with open(os.path.join(directory, segments[-1]), "r+b") as file:
            end = (len(file.read().rstrip(b"\0")) + 7) // 8 * 8
            file.seek(end)
            file.write(b"WGRP" + random.randbytes(200))


class Round:
    def __init__(self, options, outcome, folder, passes_max):
        self.options, self.outcome, self.folder = options, outcome, folder
        self.passes_max = passes_max
        self.load = loads.Load(options.load, folder, clients=4, subscribers=2, text_bytes=2000,
                               backlog=BACKLOG, commit_every=COMMIT_EVERY)

    def start(self, point=None):
        return daemons.Daemon(self.options.mutant, self.folder, CONFIG,
                              {"WIREMILL_FAIL_POINT": point or ""})

    def reached(self, name):
        """Whether a life ended at this point. One that is not passed so often is passed less often."""
        passes = int(self.passes_max ** self.options.random.random())
        while passes and not self.outcome.findings:
            if self.life(f"{name}:{passes}"):
                return True
            passes //= 2
        return False

    def life(self, point):
        """True: it ended itself. If the load does not lead there, an orderly end may."""
        if point.startswith("recovery."):
            self.live("")
            tear(self.folder)
        return self.live(point) == -signal.SIGKILL

    def live(self, point, documents=LIFE_DOCUMENTS):
        """Answers the exit code. Without a point it is killed under load."""
        self.outcome.cycles += 1
        daemon = self.start(point)
        if daemon.wait_serving():
            before = self.load.status()
            self.load.begin(daemon)
            self.load.wait(lambda now: daemon.died() or (
                now["acknowledged"] >= before["acknowledged"] + documents and
                min(now["seen"]) >= min(before["seen"]) + LIFE_RESULTS))
            if point.startswith("retention."):
                self.load.order("rest")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.process.wait(RETENTION_S)
            if not point:
                daemon.kill()
            elif not daemon.died():
                daemon.drain()
            self.outcome.findings.update(self.load.end()["findings"])
        elif not daemon.died():
            self.outcome.note("not started", f"{point}: {daemon.tail()}")
            daemon.kill()
        if daemon.process.returncode not in (0, -signal.SIGKILL):
            self.outcome.note("died", f"{point}: exit code {daemon.process.returncode}: {daemon.tail()}")
        return daemon.process.returncode


def run(options):
    outcome, points = Outcome(), names()
    rounds, passes_max = (1, 4) if options.short else (20, 100)
    reached = dict.fromkeys(points, 0)
    for number in range(1, rounds + 1):
        with outcome.folder() as folder:
            round_ = Round(options, outcome, folder, passes_max)
            round_.live("", FIRST_LIFE_DOCUMENTS)
            order = options.random.sample(points, len(points))
            for name in order:
                begin = time.monotonic()
                if round_.reached(name):
                    reached[name] += 1
                elif not outcome.findings:
                    outcome.note("not reached", name)
                if outcome.findings:
                    print(f"torture: fail_points: at {name}, round {number}", flush=True)
                    break
            if not outcome.findings:
                loads.finish(round_.load, round_.start, outcome.findings)
            outcome.acknowledged += round_.load.status()["acknowledged"]
            round_.load.close()
        if outcome.findings:
            break
        if not options.short:
            print(f"torture: fail_points: round {number} of {rounds}, {outcome.cycles} lives, acknowledged "
                  f"{outcome.acknowledged}", flush=True)
    hit = sum(count == rounds for count in reached.values())
    outcome.brief = f"{hit}/{len(points)} × {rounds}"
    outcome.summary = (f"{hit} of {len(points)} points reached {rounds} times each, in {outcome.cycles} "
                       f"lives, acknowledged {outcome.acknowledged}")
    if not points:
        outcome.note("not reached", "the sources name no fail point")
    return outcome
