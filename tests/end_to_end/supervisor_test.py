"""What the daemon tells a service manager, heard by a socket that stands in for one; and the unit."""
import os
import shutil
import socket
import subprocess
import time
import unittest

from harness import HANG_S, SOURCE, EndToEndTest, article, wait_until

UNIT = SOURCE / "deploy" / "wiremill.service"


class SupervisorTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.path = str(self.folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(HANG_S)
        self.addCleanup(self.socket.close)

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def until(self, name):
        """Everything said up to the first message with `name`."""
        said = [self.next()]
        while name not in said[-1]:
            said.append(self.next())
        return said

    def test_ready_status_watchdog_stopping(self):
        daemon = self.daemon(start=False)
        daemon.start({"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "60000000"})
        said = self.until("READY")
        self.assertEqual(said[0]["STATUS"], "recovering")
        self.assertEqual(said[-1]["READY"], "1")
        self.intake(daemon).bare_json(body=article(1))
        for _ in range(3):
            self.until("WATCHDOG")
        status = self.until("STATUS")[-1]["STATUS"]
        self.assertRegex(status, r"^1 accepted, 0 in flight, \d+ results/s$")
        self.assertEqual(daemon.stop(), 0)
        said = self.until("STOPPING")
        self.assertEqual(said[-1]["STATUS"], "draining")

    def test_no_watchdog_where_none_watches(self):
        daemon = self.daemon(start=False)
        daemon.start({"NOTIFY_SOCKET": self.path})
        self.until("READY")
        time.sleep(1.5)
        self.assertEqual(daemon.stop(), 0)
        for message in self.until("STOPPING"):
            self.assertNotIn("WATCHDOG", message)

    def test_a_stopped_daemon_does_not_beat(self):
        """SIGSTOP is a hang that a test can make."""
        daemon = self.daemon(start=False)
        daemon.start({"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "60000000"})
        self.until("WATCHDOG")
        os.kill(daemon.process.pid, 19)
        wait_until(lambda: "T (stopped)" in
                   open(f"/proc/{daemon.process.pid}/status").read(), "stopped")
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass
        time.sleep(2.5)
        with self.assertRaises(BlockingIOError):
            self.socket.recv(4096)


class UnitTest(unittest.TestCase):
    def test_the_unit_is_valid(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(UNIT)],
                              capture_output=True, text=True, check=False)
        # The program is looked for where it would be installed.
        complaints = [line for line in done.stderr.splitlines()
                      if "wiremill.service" in line and "is not executable" not in line]
        self.assertEqual(complaints, [])


if __name__ == "__main__":
    unittest.main()
