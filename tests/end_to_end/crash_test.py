"""Stages that take the daemon down with them: the document that does it is found and set aside, and
nothing else suffers. And kill -9, which accuses nobody.
"""
import random
import signal
import time

from harness import PROBE, EndToEndTest, Result, document

ATTEMPTS_MAX = 3
DEATHS = {"die by a wild pointer": ("SIGSEGV", -signal.SIGSEGV),
          "die by abort": ("SIGABRT", -signal.SIGABRT),
          "die by a full stack": ("SIGSEGV", -signal.SIGSEGV),
          "die by exit": ("exit()", 3),
          "die in a thread": ("SIGABRT", -signal.SIGABRT),
          "in settle: die by abort": ("SIGABRT", -signal.SIGABRT)}


class CrashTest(EndToEndTest):
    def slow_daemon(self):
        return self.daemon({"log": {"format": "json"},
                            "stages": [{"name": "probe", "plugin": PROBE,
                                        "attempts_max": ATTEMPTS_MAX, "isolation": "thread"}]})

    def push(self, daemon, bodies, wait_for="/"):
        """Each document waits until a file is there."""
        documents = [document(id=f"{i}", source="s", body=body, attributes={"wait_for": str(wait_for)})
                     for i, body in enumerate(bodies)]
        accepted = self.intake(daemon).push(documents)
        self.assertEqual([each.sequence for each in accepted], list(range(1, len(bodies) + 1)))

    def lives(self, daemon, results):
        """Starts it again whenever it has died; answers the exit codes once it has all results."""
        codes = []
        while len(codes) <= 2 * ATTEMPTS_MAX:
            codes.append(daemon.wait())
            try:
                daemon.start()
            except AssertionError:
                continue  # it died so early that it did not even say that it serves
            if self.comes_to(daemon, results):
                return codes
        raise AssertionError(f"it died {len(codes)} times: {daemon.log_text()}")

    def comes_to(self, daemon, results):
        """True once the daemon has so many results, False where it dies before."""
        socket = self.subscriber(daemon).socket
        while daemon.process.poll() is None:
            if socket.poll(50) and len(socket.recv_multipart()) == 3:
                results -= 1
            if results == 0:
                return True
        return False

    def check(self, results, poison, cause):
        for place, result in enumerate(results):
            self.assertEqual((result.sequence, result.id), (place + 1, f"{place}"))
            if place == poison:
                self.assertEqual(result.status, Result.DEAD)
                self.assertEqual((result.failure.stage, result.failure.code, result.failure.attempts),
                                 ("probe", "CRASHED", ATTEMPTS_MAX))
                self.assertIn(cause, result.failure.message)
            else:
                self.assertEqual(result.status, Result.PROCESSED, result.failure)
                # What the stage counts: each document once.
                count = place + 1 - (poison is not None and place > poison)
                self.assertIn(f'"count":{count},', result.extensions[0].json)

    def test_the_poison_is_set_aside(self):
        for poison, (cause, code) in DEATHS.items():
            with self.subTest(poison):
                daemon = self.slow_daemon()
                bodies = ["slow"] * 3 + ["plain"] * 10 + [poison] + ["plain"] * 10
                go = self.folder / "go"
                go.unlink(missing_ok=True)
                self.push(daemon, bodies, wait_for=go)
                go.touch()  # all is acknowledged
                codes = self.lives(daemon, len(bodies))
                self.assertEqual(codes, [code] * (ATTEMPTS_MAX + 1), "the batch, then alone")
                self.check(self.results(daemon, len(bodies)), bodies.index(poison), cause)
                self.assertEqual(daemon.stop(), 0)

    def test_kill_accuses_nobody(self):
        daemon = self.slow_daemon()
        bodies = ["slow"] * 12
        self.push(daemon, bodies)
        chance = random.Random(1)
        for _ in range(10):
            time.sleep(chance.uniform(0.02, 0.4))
            daemon.kill()
            daemon.start()
        self.check(self.results(daemon, len(bodies)), None, "")
        self.assertEqual(daemon.stop(), 0)
