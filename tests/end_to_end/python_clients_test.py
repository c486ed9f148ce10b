"""clients/python against the real daemon, as its README says."""
import os
import signal
import subprocess
import sys
import unittest

from harness import ARTICLES, HANG_S, SOURCE, EndToEndTest, own_address, run_program

PUSH = SOURCE / "clients" / "python" / "push.py"
SUBSCRIBE = SOURCE / "clients" / "python" / "subscribe.py"


class PythonClientsTest(EndToEndTest):
    def push(self, endpoint, *files):
        return run_program(sys.executable, PUSH, endpoint, *files)

    def test_push_and_subscribe(self):
        daemon = self.daemon()
        files = sorted(ARTICLES.glob("0[1-3]-*"))
        subscribe = subprocess.Popen([sys.executable, SUBSCRIBE, daemon.feed, "en/example.org/",
                                      "3", str(HANG_S)], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
        self.addCleanup(subscribe.kill)
        # A live feed tells only who listens already: the first file is pushed until it is heard of.
        tries = 0
        first_heard = []
        os.set_blocking(subscribe.stdout.fileno(), False)
        while not first_heard:
            tries += 1
            copy = self.folder / f"try-{tries}.txt"
            copy.write_text(f"The council met {tries} times in the spring and spoke of the bridge.")
            self.assertEqual(self.push(daemon.intake, copy).returncode, 0)
            first_heard = (subscribe.stdout.read() or b"").splitlines()
        os.set_blocking(subscribe.stdout.fileno(), True)
        done = self.push(daemon.intake, *files)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        rows = [line.split(" ", 1) for line in done.stdout.decode().splitlines()]
        self.assertEqual([row[1] for row in rows], list(map(str, files)))
        self.assertEqual([int(row[0]) for row in rows], list(range(tries + 1, tries + 4)))
        out, errors = subscribe.communicate(timeout=HANG_S)
        self.assertEqual((subscribe.returncode, errors), (0, b""))
        heard = [line.decode().split("\t") for line in first_heard + out.splitlines()]
        self.assertEqual(len(heard), 3)
        for sequence, language, *_ in heard:
            self.assertEqual(language, "en")
        again = self.push(daemon.intake, *files)
        self.assertEqual(again.stdout, done.stdout, "sent again, answered with the first sequence")

    def test_subscribe_shows_names(self):
        daemon = self.daemon()
        subscribe = subprocess.Popen([sys.executable, SUBSCRIBE, daemon.feed, "", "0", "0"],
                                     stdout=subprocess.PIPE)
        lines, tries = [], 0
        os.set_blocking(subscribe.stdout.fileno(), False)
        body = (ARTICLES / "01-geneva-water-talks.txt").read_text()
        while not lines:
            tries += 1
            copy = self.folder / f"try-{tries}.txt"
            copy.write_text(f"{body}\nIt was call number {tries}.\n")
            self.assertEqual(self.push(daemon.intake, copy).returncode, 0)
            lines = (subscribe.stdout.read() or b"").decode().splitlines()
        subscribe.send_signal(signal.SIGKILL)
        subscribe.wait(HANG_S)
        subscribe.stdout.close()
        _, language, title, names = lines[0].split("\t")
        self.assertEqual((language, title),
                         ("en", "Four river states agree to share water data after Geneva talks"))
        self.assertIn("Ilsabet Morander", names.split(", "))

    def test_refusal(self):
        daemon = self.daemon({"intake": {"document_bytes_max": "1KiB"}})
        large = self.folder / "large.txt"
        large.write_text("x" * 2000)
        done = self.push(daemon.intake, large)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"TOO_LARGE", done.stderr)

    def test_nobody_there(self):
        done = run_program(sys.executable, SUBSCRIBE, f"tcp://{own_address()}:5751", "", "1", "0.5")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"nothing heard", done.stderr)
        self.assertEqual(run_program(sys.executable, PUSH).returncode, 1)


if __name__ == "__main__":
    unittest.main()
