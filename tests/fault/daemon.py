"""One life of wiremilld in a fault test. Used by every test in this folder."""

import os
import re
import signal
import subprocess
import time

START_PATIENCE_S = 300

# Where it says on which ports it serves.
SERVING = re.compile(r"serving: intake (\S+), feed \S+, replay ([^\s;,]+)")

ENDPOINTS = """\
intake: {endpoint: "tcp://127.0.0.1:*", credit: 1024%s}
feed: {endpoint: "tcp://127.0.0.1:*"}
replay: {endpoint: "tcp://127.0.0.1:*"}
firehose: {endpoint: ""}
admin: {endpoint: ""}
drain_timeout: 300ms
log: {format: json}
"""


def configuration(stages="language", storage="segment_bytes: 4MiB", intake="", more=""):
    stages = ", ".join("{name: %s}" % name for name in stages.split())
    return (ENDPOINTS % (intake and ", " + intake) + "storage: {%s}\nstages: [%s]\n" % (storage, stages)
            + more)


class Daemon:
    """Started at once; `environment` is added to ours. Its log goes on in folder/daemon.log."""

    def __init__(self, program, folder, config, environment=None, state=None):
        self.config_path = os.path.join(folder, "wiremill.yaml")
        with open(self.config_path, "w") as file:
            file.write(config)
        self.log_path = os.path.join(folder, "daemon.log")
        self.log_begin = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, "--config", self.config_path,
                 "--state", state or os.path.join(folder, "state")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {})})

    def log(self):
        with open(self.log_path, errors="replace") as file:
            file.seek(self.log_begin)
            return file.read()

    def tail(self):
        return self.log().strip()[-600:]

    def wait_serving(self):
        until = time.monotonic() + START_PATIENCE_S
        while time.monotonic() < until and self.process.poll() is None:
            serving = SERVING.search(self.log())
            if serving:
                self.intake, self.replay = serving.groups()
                return True
            time.sleep(0.005)
        return False

    def died(self):
        return self.process.poll() is not None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def drain(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=START_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def status(self, field):
        """A figure of /proc/PID/status: VmRSS in kB, Threads."""
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        return 0

    def rss_mib(self):
        return self.status("VmRSS") / 1024

    def sockets(self):
        """Open descriptors but for files: a store opens and closes those as it likes."""
        folder, count = f"/proc/{self.process.pid}/fd", 0
        for descriptor in os.listdir(folder):
            try:
                count += not os.readlink(os.path.join(folder, descriptor)).startswith("/")
            except FileNotFoundError:
                pass  # closed meanwhile
        return count
