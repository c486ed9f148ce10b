"""One of ten subscribers is stopped (SIGSTOP) while the load runs, and one more fetched with a great
credit and never reads. Part of torture.py.

The other nine keep their rate, the daemon's memory does not grow, and the stopped one catches up
without a gap. It runs and is stopped in turns, many short ones in one life, so that whatever else the
machine does falls on both; it catches up in between. A turn with it stopped begins when it has all that
its credit allows and the others have gone on beyond that: where they are held up, they never come there.
Rates are compared by the ratio of their medians; the long form asks for 0.95. The short form, whose few
turns may fall on a busy machine, asks for 0.3.
"""

import filecmp
import os
import signal
import statistics
import time

import daemon as daemons
import load as loads
import zmq
from outcome import Outcome
from wiremill.v1 import replay_pb2

CONFIG = daemons.configuration("language", "segment_bytes: 16MiB")
RATE_MIN, RATE_MIN_SHORT = 0.95, 0.3
RSS_GROWTH_MAX_MIB = 64
CREDIT = 2000  # of the one that is stopped (load.cpp)


def rate(load, seconds, sample=lambda: None):
    """Results per second and subscriber."""
    before, begin = load.status()["seen"], time.monotonic()
    while time.monotonic() < begin + seconds:
        sample()
        time.sleep(0.1)
    after, took = load.status()["seen"], time.monotonic() - begin
    return (sum(after) - sum(before)) / len(after) / took


def never_reads(daemon):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger, socket.rcvhwm = 0, 1
    socket.connect(daemon.replay)
    fetch = replay_pb2.Fetch(sequence=1, credit=1_000_000_000, follow=True, stream=1)
    socket.send_multipart([b"WM1", replay_pb2.ReplayRequest(fetch=fetch).SerializeToString()])
    return socket


def run(options):
    outcome = Outcome()
    rounds, seconds, rate_min = (8, 0.5, RATE_MIN_SHORT) if options.short else (36, 1.5, RATE_MIN)
    with outcome.folder() as folder, outcome.folder() as slow_folder:
        start = lambda: daemons.Daemon(options.daemon, folder, CONFIG)  # noqa: E731
        load = loads.Load(options.load, folder, clients=4, subscribers=9, text_bytes=1000,
                          backlog=5000)
        slow = loads.Load(options.load, slow_folder, clients=0, subscribers=1, name="stopped",
                          text_bytes=1000)
        daemon = start()
        if not daemon.wait_serving():
            outcome.note("not started", daemon.tail())
            return outcome
        load.begin(daemon)
        slow.begin(daemon, "rest")
        silent = never_reads(daemon)
        rate(load, 2)  # until all is warm
        running, stopped, growth, most_behind = [], [], 0.0, 0
        for _ in range(rounds):
            if outcome.findings:
                break
            running.append(rate(load, seconds))
            behind = slow.status()["seen"][0]
            slow.process.send_signal(signal.SIGSTOP)
            rss = [daemon.rss_mib()]
            if load.wait(lambda status: min(status["seen"]) > behind + CREDIT, broken=daemon.died) is None:
                outcome.note("held up", f"{load.status()}, the stopped one saw {behind}: {daemon.tail()}")
            stopped.append(rate(load, seconds, lambda: rss.append(daemon.rss_mib())))
            slow.process.send_signal(signal.SIGCONT)
            growth = max(growth, max(rss) - rss[0])
            goal = max(load.status()["seen"])
            if slow.wait(lambda status: status["seen"][0] >= goal, broken=daemon.died) is None:
                outcome.note("not caught up", f"{slow.status()}, {goal} wanted: {daemon.tail()}")
            most_behind = max(most_behind, goal - behind)
        if load.settle(daemon) is None:
            outcome.note("unfinished", f"{load.status()}: {daemon.tail()}")
        goal = load.status()["newest"]
        if slow.wait(lambda status: status["seen"][0] >= goal, broken=daemon.died) is None:
            outcome.note("not caught up", f"{slow.status()}, {goal} wanted: {daemon.tail()}")
        silent.close()
        for each in (load, slow):
            outcome.findings.update(each.end()["findings"])
        daemon.drain()
        loads.finish(load, start, outcome.findings)
        if not filecmp.cmp(os.path.join(folder, "seen.subscriber-1"),
                           os.path.join(slow_folder, "seen.stopped-1"), shallow=False):
            outcome.note("gap", "the stopped one did not see what the others saw")
        outcome.acknowledged = load.status()["acknowledged"]
        load.close()
        slow.close()
        ratio = statistics.median(stopped) / statistics.median(running)
        if growth >= RSS_GROWTH_MAX_MIB:
            outcome.note("memory", f"RSS grew by {growth:.1f} MiB while one was stopped")
        if ratio < rate_min:
            outcome.note("slow", f"with one stopped the others have {ratio:.3f} of their rate")
    outcome.brief = f"{ratio:.2f} of the rate"
    outcome.summary = (f"nine subscribers {statistics.median(running):.0f}/s each, with the tenth stopped "
                       f"{statistics.median(stopped):.0f}/s ({ratio:.3f}; medians of {rounds}), it was {most_behind} "
                       f"behind at most and caught up without a gap, RSS grew by {growth:.1f} MiB")
    return outcome
