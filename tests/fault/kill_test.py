#!/usr/bin/python3
"""Kills the daemon with SIGKILL at random moments under load, again and again, and checks at the end
that nothing was lost, done twice or confused.

Four clients push documents as fast as they can and write down what was acknowledged in a record of
their own; two subscribers follow under named cursors. After each kill the daemon starts again, the
clients send again what was not acknowledged, the subscribers go on behind what they committed. Some of
the kills fall into the start, where the daemon recovers, some into an orderly end. At the end all
results are replayed from the first and held against the record.

With --mutant NAME the daemon has that fault (daemon/base/mutant.hpp), and the test passes only if
the checker finds a violation of a kind named by --expect. Run by ctest. A longer run, and one again that failed:

    PYTHONPATH=build/release/share/wiremill/python tests/fault/kill_test.py build/release/bin/wiremilld --cycles 200
    PYTHONPATH=build/release/share/wiremill/python tests/fault/kill_test.py build/release/bin/wiremilld --seed SEED
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

import verdict
from daemon import Daemon, configuration
from peers import Client, Subscriber, wait_until
from texts import Texts

CLIENTS = 4
# The line takes less than the intake; without this bound the end would be a long wait.
WITHOUT_RESULT_MAX = 8000
LIFE_MAX_S = 2
DRAIN_S = 0.3
# One life is long enough for the daemon's periodic checkpoint of its state.
LONG_CYCLE, CHECKPOINT_S = 9, 10
FINISH_PATIENCE_S = 60
CONFIG = configuration("clean language duplicates summary")


class Trial:
    """A fresh state folder, its kills, and the verdict."""

    def __init__(self, options, seed, folder):
        self.options, self.folder = options, folder
        self.rng = random.Random(seed)
        self.findings = verdict.Findings()
        threading.excepthook = lambda thrown: self.findings.add(
            "checker failed", "".join(traceback.format_exception(*thrown[:3])))
        self.texts = Texts(self.rng.random(), options.words)
        self.record_path = os.path.join(folder, "acknowledged.txt")
        self.record = open(self.record_path, "a", buffering=1)
        self.subscribers = [Subscriber("subscriber-1", 2000, self.findings.add),
                            Subscriber("subscriber-2", 64, self.findings.add)]
        self.clients = [Client(f"client-{i}", self.texts, random.Random(self.rng.random()), self.record,
                               self.findings.add, self.may_push) for i in range(1, CLIENTS + 1)]
        self.hits = {"while starting": 0, "while draining": 0, "after a checkpoint": 0,
                     "unacknowledged": 0, "without result": 0}
        self.cycles = 0

    def newest(self):
        return max((sequence for client in self.clients
                    for sequence in (client.accepted.get(client.settled, 0),)), default=0)

    def may_push(self):
        return self.newest() - self.subscribers[0].next < WITHOUT_RESULT_MAX

    def start(self):
        return Daemon(self.options.program, self.folder, CONFIG,
                      {"WIREMILL_MUTANT": self.options.mutant or ""})

    def peers(self, daemon, stop, push_new):
        threads = [threading.Thread(target=client.run, args=(daemon.intake, stop, push_new))
                   for client in self.clients]
        threads += [threading.Thread(target=subscriber.run, args=(daemon.replay, stop))
                    for subscriber in self.subscribers]
        for thread in threads:
            thread.start()
        return threads

    def not_started(self, daemon):
        self.findings.add("not started", f"exit code {daemon.process.poll()}: {daemon.tail()}")
        daemon.kill()

    def cycle(self):
        daemon, stop, threads = self.start(), threading.Event(), []
        starting = self.cycles not in (0, LONG_CYCLE) and self.rng.random() < 0.25
        if starting:
            time.sleep(self.rng.uniform(0, 0.3))
            self.hits["while starting"] += 1
            if daemon.process.poll() is not None:
                self.not_started(daemon)
        elif not daemon.wait_serving():
            self.not_started(daemon)
        else:
            threads = self.peers(daemon, stop, True)
            # After so many documents, thus while more are under way, wherever the line stands.
            wanted = self.texts.made + self.rng.randrange(self.options.documents)
            wait_until(lambda: self.findings or self.texts.made >= wanted, LIFE_MAX_S, lambda: 0)
            time.sleep(self.rng.uniform(0, 0.02))
            if self.cycles == LONG_CYCLE:
                self.hits["after a checkpoint"] += 1
                time.sleep(CHECKPOINT_S)
            if daemon.process.poll() is not None:
                self.findings.add("died", f"exit code {daemon.process.poll()}: {daemon.tail()}")
            elif self.rng.random() < 0.25:
                self.hits["while draining"] += 1
                daemon.process.terminate()
                time.sleep(self.rng.uniform(0, 2 * DRAIN_S))
        daemon.kill()
        stop.set()
        for thread in threads:
            thread.join()
        self.cycles += 1
        self.hits["unacknowledged"] += any(client.pending for client in self.clients)
        self.hits["without result"] += self.newest() >= self.subscribers[0].next
        self.texts.killed()

    def finish(self):
        """Everything is acknowledged and has its result; then an orderly end, and a replay."""
        daemon, stop = self.start(), threading.Event()
        if not daemon.wait_serving():
            return self.not_started(daemon)
        threads = self.peers(daemon, stop, False)

        def complete():
            return (self.findings or not any(client.pending for client in self.clients) and
                    all(subscriber.next > self.newest() for subscriber in self.subscribers))

        def progress():
            return ([len(client.pending) for client in self.clients],
                    [subscriber.next for subscriber in self.subscribers])

        finished = wait_until(complete, FINISH_PATIENCE_S, progress)
        stop.set()
        for thread in threads:
            thread.join()
        code = daemon.drain()
        if code != 0:
            self.findings.add("not drained", f"exit code {code}: {daemon.tail()}")
        if self.findings:
            return None
        daemon = self.start()
        if not daemon.wait_serving():
            return self.not_started(daemon)
        replay = Subscriber("replay", 2000, self.findings.add, cursor=False)
        replay.items = []
        thread = threading.Thread(target=replay.run, args=(daemon.replay, stop := threading.Event()))
        thread.start()
        wait_until(lambda: not thread.is_alive(), FINISH_PATIENCE_S, lambda: replay.next)
        stop.set()
        thread.join()
        daemon.drain()
        verdict.check(self.record_path, self.texts.documents, self.subscribers, replay, self.findings)
        if not finished and not self.findings:
            self.findings.add("unfinished", f"{progress()} after {FINISH_PATIENCE_S} s without progress")
        return None

    def run(self):
        while self.cycles < self.options.cycles and not self.findings:
            self.cycle()
        if not self.findings:
            self.finish()
        self.record.close()
        return self.findings

    def summary(self):
        counts = self.findings.counts
        hits = ", ".join(f"{name} {count}" for name, count in self.hits.items())
        return (f"fault: cycles {self.cycles} (killed: {hits}), "
                f"acknowledged {sum(len(client.accepted) for client in self.clients)}, "
                f"of these stored but not acknowledged when killed "
                f"{sum(client.resolved for client in self.clients)}, "
                + ", ".join(f"{kind} {counts.get(kind, 0)}" for kind in verdict.ALWAYS_SHOWN)
                + "".join(f", {kind} {count}" for kind, count in counts.items()
                          if kind not in verdict.ALWAYS_SHOWN))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", help="wiremilld, or wiremilld_mutant")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--documents", type=int, default=1200, help="most that a life takes before its kill")
    parser.add_argument("--words", type=int, default=100, help="of a document")
    parser.add_argument("--mutant", help="the fault that wiremilld_mutant shall have")
    parser.add_argument("--expect", default="", help="kinds of violation, one of which must be found")
    parser.add_argument("--trials", type=int, default=1, help="so often, until one is found")
    options = parser.parse_args()
    expected = set(filter(None, options.expect.split(",")))

    for trial_number in range(options.trials):
        seed = options.seed + trial_number
        print(f"fault: seed {seed}", flush=True)
        folder = tempfile.mkdtemp(prefix="wiremill-fault-")
        trial = Trial(options, seed, folder)
        findings = trial.run()
        for message in findings.messages:
            print(message)
        if findings and not expected:
            print(f"fault: logs, state and record are kept in {folder}")
        else:
            shutil.rmtree(folder)
        print(trial.summary(), flush=True)
        if expected & set(findings.counts) or findings and not expected:
            break
    if expected:
        return 0 if expected & set(findings.counts) else 1
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
