"""The wall clock jumps by days and to 1970, while the daemon runs and while it is stopped (libfaketime;
the steady clock is left alone, as the kernel leaves it). Part of torture.py.

Documents go on, `accepted_at` never falls, a document sent again is known still, and retention by age
removes nothing: what it counts is less than a tenth of what is kept.
"""

import glob
import os
import time

import daemon as daemons
import load as loads
from outcome import Outcome

CONFIG = daemons.configuration("language", "segment_bytes: 1MiB, result_age_max: 30d",
                               "idempotency_window: 30d")
# What the wall clock says: a life is a list of jumps within it. A stop may count as a day at most.
LIVES = (("+0", "+1d", "-1d", "@1970-01-01 00:00:10", "+1d"), ("-1d", "+10d"), ("@1970-01-01 00:00:10",),
         ("+1d", "+0"))
CACHE_S = 1  # how long libfaketime believes what it read
CHECK_S = 12  # longer than the daemon's timer of retention and checkpoints
LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"


def run(options):
    outcome, library = Outcome(), glob.glob(LIBRARIES)
    if not library:
        return Outcome("skipped: libfaketime is not installed", "skipped")
    documents = 1000 if options.short else 20_000
    with outcome.folder() as folder:
        clock = os.path.join(folder, "clock")

        def jump(to):
            with open(clock + ".new", "w") as file:
                file.write(to + "\n")
            os.rename(clock + ".new", clock)

        def start():
            return daemons.Daemon(options.daemon, folder, CONFIG, {
                "LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": clock,
                "FAKETIME_CACHE_DURATION": str(CACHE_S), "DONT_FAKE_MONOTONIC": "1"})

        load = loads.Load(options.load, folder, clients=4, subscribers=2, text_bytes=1000,
                          backlog=3000)
        jumps = 0
        for number, life in enumerate(LIVES):
            jump(life[0])
            daemon = start()
            if not daemon.wait_serving():
                outcome.note("not started", f"at {life[0]}: {daemon.tail()}")
                daemon.kill()
                break
            load.begin(daemon)
            for to in life:
                jump(to)
                jumps += 1
                time.sleep(CACHE_S)
                wanted = load.status()["acknowledged"] + documents
                if load.wait(lambda status: status["acknowledged"] >= wanted, broken=daemon.died) is None:
                    outcome.note("stuck", f"at {to}: {load.status()}: {daemon.tail()}")
                    break
            time.sleep(CHECK_S if number == 0 else 0)
            if number % 2 == 0:
                daemon.kill()
                load.end()
            else:
                if load.settle(daemon) is None:
                    outcome.note("unfinished", f"{load.status()}: {daemon.tail()}")
                load.end()
                daemon.drain()
            if outcome.findings:
                break
        if not outcome.findings:
            loads.finish(load, start, outcome.findings)
        status = load.status()
        load.close()
        outcome.findings.update(status["findings"])
        if status["replay"][0] > 1:
            outcome.note("removed early", f"results below {status['replay'][0]} are gone")
        outcome.acknowledged = status["acknowledged"]
    outcome.summary = f"{jumps} jumps in {len(LIVES)} lives, acknowledged {outcome.acknowledged}"
    return outcome
