"""Reloads under full load: changed configurations, replaced plugin files, and broken ones of both. Part
of torture.py.

Nothing is lost or out of order, the stage that counts documents goes on counting through every change,
and what is broken is refused while the line before goes on. Shows how long after the last result of the
line before the first of the new one came; and the longest time without a result in the whole reload, with
its trial, beside windows of the same length without one.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time

import daemon as daemons
import load as loads
from outcome import Outcome

# Plugin files replaced, configurations changed, broken ones; and how many documents the stage
# `duplicates` holds before it begins.
LONG, SHORT = (200, 1000, 100, 1_000_000), (10, 50, 20, 0)
FILL_PATIENCE_S = 300
QUIET_WINDOWS = 20
COUNTED = "swapped"  # the stage whose plugin file is replaced, and that is in every line
DONE = re.compile(r'"first_sequence":(\d+)')


class Reloads:
    def __init__(self, options, folder, outcome):
        self.options, self.folder, self.outcome = options, folder, outcome
        self.random = options.random
        self.program = os.path.join(os.path.dirname(options.daemon), "wiremill")
        self.built = os.path.abspath(os.path.join(options.build, "daemon", "pipeline"))
        self.plugin = os.path.join(folder, "swapped.so")
        self.replace("probe.so")
        self.head = daemons.configuration("", "segment_bytes: 16MiB").rsplit("stages:", 1)[0].replace(
            'admin: {endpoint: ""}', 'admin: {endpoint: "tcp://127.0.0.1:*"}')
        self.variant = 0
        self.switches, self.pauses, self.seconds, self.first = [], [], [], 0

    def replace(self, built):
        """The plugin's file, as `install` does it."""
        new = self.plugin + ".new"
        shutil.copy(os.path.join(self.built, built), new)
        os.rename(new, self.plugin)

    def stages(self):
        """One of some lines that differ in stages, options and isolation."""
        self.variant += 1
        isolation = "process" if self.variant % 5 == 0 else "thread"
        stages = ["{name: duplicates, options: {near_similarity: 0.%d}}" % self.random.randrange(2, 9)]
        if self.variant % 3 == 0:
            stages.insert(self.random.randrange(2), "{name: extra, plugin: %s}" % self.plugin)
        stages.append("{name: %s, plugin: %s, isolation: %s}" % (COUNTED, self.plugin, isolation))
        return stages

    def configuration(self, stages):
        return self.head + "stages:\n" + "".join(f"  - {stage}\n" for stage in stages)

    def broken(self, kind):
        """A configuration that must be refused, and a word of what is said of it."""
        good = self.stages()
        other = "{name: other, plugin: %s, %s}"
        text = {
            0: ("stages: [", "wiremill.yaml:"),
            1: (self.configuration(good + ["{name: absent}"]), "no plugin 'absent'"),
            2: (self.configuration(good + [other % (self.plugin, "options: {no_such: 1}")]), "no_such"),
            3: (self.configuration(good + [other % (self.plugin, "options: {refuse: not me}")]), "not me"),
            4: (self.configuration(good).replace("credit: 1024", "credit: 1025"), "intake.credit"),
            5: (self.configuration(["{name: summary}", "{name: language}"] + good), "summary"),
            6: (self.configuration(good + [other % (os.path.join(self.built, "libforeign.so"), "")]),
                "not a Wiremill plugin"),
            7: (self.configuration(good + [other % (self.torn(), "")]), "torn.so"),
            8: (self.configuration(good[:-1] + ["{name: %s, plugin: %s}" % (
                COUNTED, os.path.join(self.built, "newer_probe.so"))]), "state in version 2"),
            9: (self.configuration(good + [other % (os.path.join(self.built, "fatal_probe.so"), "")]),
                "died in the trial"),
        }
        return text[kind % len(text)]

    def torn(self):
        path = os.path.join(self.folder, "torn.so")
        with open(os.path.join(self.built, "probe.so"), "rb") as file:
            whole = file.read()
        with open(path, "wb") as file:
            file.write(whole[:self.random.randrange(4096)])
        return path

    def begin(self):
        self.daemon = daemons.Daemon(self.options.daemon, self.folder, self.configuration(self.stages()))
        if not self.daemon.wait_serving():
            return False
        self.admin = re.search(r"admin: (tcp://[0-9.]+:\d+)", self.daemon.log()).group(1)
        return True

    def ask(self, *arguments):
        return subprocess.run([self.program, *arguments, "--admin", self.admin, "--format", "json"],
                              check=False, capture_output=True, text=True)

    def write(self, text):
        """Whole or not at all, as an editor does it."""
        with open(self.daemon.config_path + ".new", "w") as file:
            file.write(text)
        os.rename(self.daemon.config_path + ".new", self.daemon.config_path)

    def good(self, load, swap):
        if swap:
            self.replace("probe.so")
        self.write(self.configuration(self.stages()))
        load.order("gap")
        begin = time.monotonic()
        done = self.ask("reload")
        self.seconds.append(time.monotonic() - begin)
        self.pauses.append(load.order("gap")["gap_us"] / 1000)
        first = DONE.search(done.stdout)
        if done.returncode != 0 or not first:
            self.outcome.note("refused", done.stdout + done.stderr)
        elif int(first.group(1)) < self.first:
            self.outcome.note("order", f"from {first.group(1)} on, and {self.first} before")
        else:
            self.first = int(first.group(1))
            if load.wait(lambda status: min(status["seen"]) >= self.first) is not None:
                self.switches.append(load.order("before", str(self.first))["gap_us"] / 1000)

    def bad(self, kind):
        text, word = self.broken(kind)
        before = self.line()
        self.write(text)
        done = self.ask("reload")
        if done.returncode != 78 or word not in done.stdout:
            self.outcome.note("not refused", f"{kind % 10}: {done.returncode} {done.stdout} {done.stderr}")
        if self.line() != before:
            self.outcome.note("touched", f"{kind % 10}: the line was {before}, is {self.line()}")

    def line(self):
        status = json.loads(self.ask("status").stdout)
        return ([stage["name"] for stage in status["pipeline"]["stages"]],
                status["configuration"]["reloads_done"], status["healthy"])

    def quiet(self, load, seconds):
        """The pauses of windows without a reload."""
        pauses = []
        for _ in range(QUIET_WINDOWS):
            load.order("gap")
            time.sleep(seconds)
            pauses.append(load.order("gap")["gap_us"] / 1000)
        return pauses

    def counted(self):
        """What the stage that is in every line counted of each source: no document twice, none left out."""
        endpoint = self.daemon.replay
        tail = subprocess.Popen([self.program, "tail", "--replay", endpoint, "--since", "first",
                                 "--no-follow", "--format", "json"], stdout=subprocess.PIPE, text=True)
        counts, results = {}, 0
        for row in tail.stdout:
            result = json.loads(row)
            results += 1
            count = result["extensions"]["test.probe"]["count"]
            if count != counts.get(result["source"], 0) + 1:
                self.outcome.note("state", f"{result['sequence']}: {count} documents of {result['source']}, "
                                           f"{counts.get(result['source'], 0)} before")
            counts[result["source"]] = count
        tail.wait()
        return results


def percentiles(values):
    values = sorted(values)
    return ", ".join(f"p{share} {values[(len(values) - 1) * share // 100]:.0f} ms" for share in (50, 99))


def run(options):
    outcome = Outcome()
    swaps, reloads, broken, held = SHORT if options.short else LONG
    with outcome.folder() as folder:
        work = Reloads(options, folder, outcome)
        if not work.begin():
            outcome.note("not started", work.daemon.tail())
            return outcome
        with contextlib.closing(loads.Load(options.load, folder, clients=4, subscribers=1,
                                           backlog=4000)) as load:
            load.begin(work.daemon)
            load.wait(lambda status: min(status["seen"]) > max(held, 1000), FILL_PATIENCE_S)
            orders = ["swap"] * swaps + ["reload"] * reloads + ["broken"] * broken
            options.random.shuffle(orders)
            kind = 0
            for order in orders:
                if order == "broken":
                    work.bad(kind)
                    kind += 1
                else:
                    work.good(load, order == "swap")
                if work.daemon.died() or load.status()["findings"]:
                    break
            quiet = work.quiet(load, sum(work.seconds) / len(work.seconds))
            if load.settle(work.daemon) is None:
                outcome.note("unfinished", f"{load.status()}: {work.daemon.tail()}")
            results = work.counted()
            load.end()
            code = work.daemon.drain()
            if code != 0:
                outcome.note("died", f"exit code {code}: {work.daemon.tail()}")
            text = work.configuration(work.stages())
            loads.finish(load, lambda: daemons.Daemon(options.daemon, folder, text), outcome.findings)
            for name, count in load.status()["findings"].items():
                outcome.findings[name] = count
            outcome.acknowledged = load.status()["acknowledged"]
    outcome.brief = f"{swaps} swaps, {reloads} reloads, {broken} broken"
    outcome.summary = (f"{swaps} plugins replaced, {reloads} configurations, {broken} broken ones refused; "
                       f"{results} results; pause at the switch {percentiles(work.switches)}, longest in the "
                       f"whole reload {percentiles(work.pauses)}, in as long without one {percentiles(quiet)}; "
                       f"a reload took "
                       f"{percentiles([1000 * each for each in work.seconds])}")
    return outcome
