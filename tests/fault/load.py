"""The program torture_load (load.cpp) at a test's command, and the daemon under it: starts, kills, the
end and the verdict. Used by the tests of `torture.py`.
"""

import json
import subprocess
import time

import load_verdict

PATIENCE_S = 30  # without any progress


class Load:
    def __init__(self, program, folder, **options):
        arguments = [word for name, value in options.items()
                     for word in ("--" + name.replace("_", "-"), str(value))]
        self.folder, self.clients = folder, options.get("clients", 4)
        self.process = subprocess.Popen([program, "--folder", folder, *arguments], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"torture_load ended with {self.process.wait()}")
        return json.loads(answer)

    def begin(self, daemon, mode="push"):
        return self.order("begin", daemon.intake, daemon.replay, mode)

    def status(self):
        return self.order("status")

    def end(self):
        return self.order("end")

    def wait(self, condition, patience_s=PATIENCE_S, broken=lambda: False):
        """Until `condition(status)`; answers the status then. None: nothing moved for so long, or a
        violation showed, or `broken()`."""
        seen, since = None, time.monotonic()
        while not condition(status := self.status()):
            moved = status["acknowledged"], status["pending"], status["seen"]
            if moved != seen:
                seen, since = moved, time.monotonic()
            if status["findings"] or broken() or time.monotonic() - since > patience_s:
                return None
            time.sleep(0.005)
        return status

    def settle(self, daemon):
        """No new documents; waits until all are acknowledged and every subscriber has seen them."""
        self.order("rest")
        return self.wait(lambda status: not status["pending"] and
                         min(status["seen"]) >= status["newest"], broken=daemon.died)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def finish(load, start, findings):
    """Everything gets its result, in a life without a fault; then an orderly end, a replay of all, and
    the verdict. `start()` answers a Daemon. Violations go to `findings`, a dict of counts; answers
    load_verdict's totals."""
    def note(kind, message):
        findings[kind] = findings.get(kind, 0) + 1
        print(f"{kind}: {message}", flush=True)

    daemon = start()
    if not daemon.wait_serving():
        note("not started", daemon.tail())
        daemon.kill()
        return None
    load.begin(daemon, "rest")
    if load.settle(daemon) is None:
        note("unfinished", f"{load.status()}: {daemon.tail()}")
    load.end()
    code = daemon.drain()
    if code != 0:
        note("not drained", f"exit code {code}: {daemon.tail()}")
    daemon = start()
    if not daemon.wait_serving():
        note("not started", daemon.tail())
        daemon.kill()
        return None
    status = load.order("replay", daemon.replay)
    daemon.drain()
    for kind, count in status["findings"].items():
        findings[kind] = findings.get(kind, 0) + count
    return load_verdict.check(load.folder, load.clients, len(status["seen"]), status["replay"], note)
