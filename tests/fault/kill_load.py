"""kill -9 at random moments under full load: four clients, two subscribers with named cursors. Part of
torture.py.

Each life takes its share of the documents, some die while they start, some while they drain; what was
acknowledged is checked at the end, what subscribers see and where their cursors go on all the time.
`kill_test.py` is its smaller sister: with the stage `duplicates` and documents whose outcome is known.
"""

import time

import daemon as daemons
import load as loads
from outcome import Outcome

STARTING, DRAINING = 0.2, 0.2  # shares of the kills
CONFIG = daemons.configuration("language", "segment_bytes: 16MiB")


class Kills:
    def __init__(self, options):
        self.options, self.random = options, options.random
        self.cycles = options.cycles or (25 if options.short else 1000)
        self.documents = options.documents or (20_000 if options.short else 5_000_000)
        self.outcome = Outcome()
        self.kills = {"while starting": 0, "under load": 0, "while draining": 0}

    def cycle(self, folder, load, wanted):
        daemon = daemons.Daemon(self.options.daemon, folder, CONFIG)
        if self.random.random() < STARTING:
            time.sleep(self.random.uniform(0, 0.3))
            self.kills["while starting"] += 1
            if daemon.died():
                self.outcome.note("not started", daemon.tail())
            daemon.kill()
            return
        if not daemon.wait_serving():
            self.outcome.note("not started", daemon.tail())
            daemon.kill()
            return
        load.begin(daemon)
        if load.wait(lambda status: status["acknowledged"] >= wanted, broken=daemon.died) is None:
            self.outcome.note("died" if daemon.died() else "stuck", f"{load.status()}: {daemon.tail()}")
        time.sleep(self.random.uniform(0, 0.05))
        if self.random.random() < DRAINING:
            self.kills["while draining"] += 1
            daemon.process.terminate()
            time.sleep(self.random.uniform(0, 0.4))
        else:
            self.kills["under load"] += 1
        daemon.kill()
        status = load.end()
        for kind, count in status["findings"].items():
            self.outcome.findings[kind] = count

    def run(self):
        outcome, begin = self.outcome, time.monotonic()
        with outcome.folder() as folder:
            load = loads.Load(self.options.load, folder, clients=4, subscribers=2)
            taken = 0
            while (outcome.cycles < self.cycles or taken < self.documents) and not outcome.findings:
                lives = max(1, (self.cycles - outcome.cycles) * (1 - STARTING))
                share = max(100, (self.documents - taken) / lives)
                self.cycle(folder, load, taken + self.random.uniform(0.2, 1.8) * share)
                outcome.cycles += 1
                taken = load.status()["acknowledged"]
                if outcome.cycles % 50 == 0:
                    print(f"torture: kill: cycle {outcome.cycles}, {load.status()}, "
                          f"{time.monotonic() - begin:.0f} s", flush=True)
            totals = None
            if not outcome.findings:
                totals = loads.finish(load, lambda: daemons.Daemon(self.options.daemon, folder, CONFIG),
                                      outcome.findings)
            status = load.status()
            load.close()
            outcome.acknowledged = status["acknowledged"]
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kills.items())
        outcome.brief = f"{outcome.cycles} cycles"
        outcome.summary = (f"cycles {outcome.cycles} (killed: {kinds}), acknowledged "
                           f"{outcome.acknowledged}, results {totals and totals[1]}, seen again after a "
                           f"kill {status['repeats']}, "
                           f"{outcome.acknowledged / (time.monotonic() - begin):.0f} documents/s")
        return outcome


def run(options):
    return Kills(options).run()
