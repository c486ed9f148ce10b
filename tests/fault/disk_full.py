"""The disk is full, and then it is not: the state folder on a small tmpfs. Part of torture.py.

1. A foreign file and the load fill it down to storage.free_bytes_min: clients hear NO_SPACE, nothing
   more is acknowledged, and all that was acknowledged still gets its result and can be replayed.
2. The foreign file goes: the same process takes documents again.
3. Under full load a foreign file takes all that is left, so that nothing fits at all, neither results
   nor state; then it goes, and everything goes on.
4. The same with kill -9 while nothing fits, and a start when something does.

The tmpfs lives in a mount namespace of this test's own and vanishes with it; so the test runs in a
process of its own, as root or as root of a user namespace.
"""

import argparse
import errno
import json
import os
import subprocess
import sys
import time

import daemon as daemons
import load as loads
from outcome import Outcome

MIB = 1 << 20
DISK_MIB, FREE_MIN_MIB, FOREIGN_MIB = 192, 32, 128
CONFIG = daemons.configuration("language", f"segment_bytes: 1MiB, free_bytes_min: {FREE_MIN_MIB}MiB")
ROOTS = (["unshare", "-m"], ["unshare", "-Urm"])
RESUME_PATIENCE_S = 60


class DiskFull:
    def __init__(self, options, outcome, folder):
        self.options, self.outcome, self.folder = options, outcome, folder
        self.disk = os.path.join(folder, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", self.disk], check=True)
        self.foreign = os.path.join(self.disk, "foreign")
        self.load = loads.Load(options.load, folder, clients=4, subscribers=2, text_bytes=1000,
                               backlog=15_000)

    def start(self):
        return daemons.Daemon(self.options.daemon, self.folder, CONFIG,
                              state=os.path.join(self.disk, "state"))

    def free_mib(self):
        disk = os.statvfs(self.disk)
        return disk.f_bavail * disk.f_frsize / MIB

    def fill(self, mib):
        """Up to so many MiB of a foreign file."""
        with open(self.foreign, "ab", buffering=0) as file:
            try:
                for _ in range(int(mib * 16)):
                    file.write(bytes(MIB // 16))
                for size in (4096, 1):  # and what is left of the last page
                    file.write(bytes(size)) if mib >= DISK_MIB else None
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def expect(self, what, condition):
        """Waits for it as long as the daemon lives."""
        until = time.monotonic() + RESUME_PATIENCE_S
        while not condition(status := self.load.status()):
            if self.daemon.died() or status["findings"] or time.monotonic() > until:
                self.outcome.findings.update(status["findings"])
                self.outcome.note("disk full", f"waited in vain: {what}: {status}, {self.free_mib():.1f} "
                                               f"MiB free, exit code {self.daemon.process.poll()}: "
                                               f"{self.daemon.tail()}")
                raise Stopped
            time.sleep(0.05)
        print(f"torture: disk_full: {what}: acknowledged {status['acknowledged']}, "
              f"{self.free_mib():.1f} MiB free", flush=True)
        return status

    def refused(self, status):
        return status["refusals"].get("NO_SPACE", 0)

    def began(self):
        self.daemon = self.start()
        if not self.daemon.wait_serving():
            self.outcome.note("not started", self.daemon.tail())
            raise Stopped
        self.load.begin(self.daemon)

    def refuses_and_resumes(self):
        self.fill(FOREIGN_MIB)
        before = self.expect("NO_SPACE", self.refused)
        self.load.order("rest")  # what is refused stays pending and is tried again
        self.expect("every acknowledged document has its result",
                    lambda status: min(status["seen"]) >= status["newest"])
        status = self.load.order("replay", self.daemon.replay)
        if status["replay"][1] != status["newest"]:
            self.outcome.note("disk full", f"replay ends at {status['replay'][1]}: {status}")
        again = self.expect("still refused", lambda status: self.refused(status) > self.refused(before) + 3)
        if again["acknowledged"] > status["acknowledged"]:
            self.outcome.note("disk full", f"acknowledged while there is no space: {again}")
        os.remove(self.foreign)
        self.load.order("push")
        self.expect("resumed", lambda now: now["acknowledged"] > again["acknowledged"] + 2000)

    def nothing_fits(self, kill):
        self.fill(DISK_MIB)
        held_until = time.monotonic() + 3
        while time.monotonic() < held_until:
            self.fill(DISK_MIB)  # what is given back is taken, too
            if self.daemon.died():
                self.outcome.note("disk full", f"exit code {self.daemon.process.poll()}: {self.daemon.tail()}")
                raise Stopped
            time.sleep(0.05)
        status = self.load.status()
        print(f"torture: disk_full: nothing fits: {self.free_mib():.1f} MiB free, {status}", flush=True)
        if kill:
            self.daemon.kill()
            self.load.end()
        os.remove(self.foreign)
        if kill:
            self.began()
        self.expect("resumed after nothing fitted",
                    lambda now: now["acknowledged"] > status["acknowledged"] + 2000)

    def run(self):
        try:
            self.began()
            self.refuses_and_resumes()
            self.nothing_fits(kill=False)
            self.nothing_fits(kill=True)
            if self.load.settle(self.daemon) is None:
                self.outcome.note("unfinished", f"{self.load.status()}: {self.daemon.tail()}")
            self.daemon.drain()
        except Stopped:
            self.daemon.kill()
        self.load.end()
        if not self.outcome.findings:
            loads.finish(self.load, self.start, self.outcome.findings)
        status = self.load.status()
        self.load.close()
        self.outcome.acknowledged = status["acknowledged"]
        self.outcome.summary = (f"acknowledged {status['acknowledged']}, NO_SPACE said "
                                f"{self.refused(status)} times, resumed 3 times")
        if self.outcome.findings:  # the disk goes with this process
            subprocess.run(["cp", "-r", self.disk, os.path.join(self.folder, "kept")], check=False)
        subprocess.run(["umount", self.disk], check=True)


class Stopped(Exception):
    """A violation that leaves nothing to go on with."""


def run(options):
    for root in ROOTS:
        if subprocess.run([*root, "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0:
            break
    else:
        return Outcome("skipped: neither root nor a user namespace may mount a tmpfs here", "skipped")
    child = subprocess.Popen([*root, sys.executable, __file__, options.daemon, options.load],
                             stdout=subprocess.PIPE, text=True)
    line = ""
    for line in child.stdout:
        if not line.startswith("{"):
            print(line, end="", flush=True)
    child.wait()
    return Outcome(**json.loads(line))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("daemon")
    parser.add_argument("load")
    options, outcome = parser.parse_args(), Outcome()
    with outcome.folder() as folder:
        DiskFull(options, outcome, folder).run()
    print(json.dumps(vars(outcome)))


if __name__ == "__main__":
    main()
