"""What the daemon makes of its storage: `durability` is what the disk is asked for, a log that cannot be
written is said and stops only the intake, and damage costs what is hit."""
import json
import unittest

from harness import PROBE, EndToEndTest, article, wait_until, wiremill

DOCUMENTS = 5


def seen(results):
    """(sequence, status, code) of each"""
    return [(result.sequence, result.Status.Name(result.status), result.failure.code)
            for result in results]


class DurabilityTest(EndToEndTest):
    """The power-cut tests say what syncs are good for, this one that the configuration asks for them."""

    def pushed(self, durability):
        daemon = self.daemon({"stages": [], "storage": {"durability": durability}})
        intake = self.intake(daemon)
        before = self.syncs(daemon)
        for i in range(DOCUMENTS):  # one by one, so that each is a group of its own
            self.assertIn("ack", intake.bare_json(body=article(i)))
            self.results(daemon, i + 1)
        return daemon, before, self.syncs(daemon)

    def syncs(self, daemon):
        metrics = daemon.metrics()
        return [metrics[f'wiremill_log_syncs_total{{log="{log}"}}'] for log in ("intake", "result")]

    def test_always(self):
        _, before, after = self.pushed("always")
        for log_before, log_after in zip(before, after):
            self.assertGreaterEqual(log_after - log_before, DOCUMENTS)

    def test_interval(self):
        daemon, _, after = self.pushed("interval 10s")
        for log_after in after:
            self.assertLess(log_after, DOCUMENTS)
        self.assertEqual(daemon.stop(), 0)
        daemon, _, _ = self.pushed("interval 1ms")
        wait_until(lambda: min(self.syncs(daemon)) > 0, "syncs")

    def test_none(self):
        _, _, after = self.pushed("none")
        self.assertEqual(after, [0, 0])


class UnwritableTest(EndToEndTest):
    def test_a_log_that_cannot_be_written_is_said_and_the_rest_goes_on(self):
        daemon = self.daemon({"stages": [], "storage": {"segment_bytes": "1MiB"}})
        intake = self.intake(daemon)
        in_the_way = daemon.state / "intake" / "next.tmp"  # where the next segment is made
        in_the_way.mkdir()
        accepted = 0
        while "ack" in (answer := intake.bare_json(body=article(accepted, 500))):
            accepted += 1
        self.assertEqual(answer["nack"]["code"], "READ_ONLY", answer)
        status, body = daemon.http("GET", "/healthz")
        self.assertEqual(status, 503)
        self.assertIn(b"intake", body)
        self.assertEqual(daemon.http("GET", "/readyz")[0], 503)
        metrics = daemon.metrics()
        self.assertEqual(metrics["wiremill_healthy"], 0)
        self.assertEqual([metrics[f'wiremill_log_writable{{log="{log}"}}']
                          for log in ("intake", "result")], [0, 1])
        self.assertTrue(daemon.logged("read-only"))
        self.assertEqual(len(self.results(daemon, accepted)), accepted)

        daemon.kill()
        in_the_way.rmdir()
        daemon.start()
        self.assertEqual(daemon.http("GET", "/healthz")[0], 200)
        self.assertIn("ack", self.intake(daemon).bare_json(body=article(accepted)))
        self.assertEqual([result.sequence for result in self.results(daemon, accepted + 1)],
                         list(range(1, accepted + 2)))


class DamageTest(EndToEndTest):
    def damage(self, log, words):
        """Flips one bit where the log holds `words`."""
        [segment] = log.glob("*.seg")
        content = bytearray(segment.read_bytes())
        self.assertEqual(content.count(words), 1)
        content[content.index(words)] ^= 1
        segment.write_bytes(content)

    def test_costs_what_is_hit(self):
        """A document without a result becomes a dead letter; a result is not made again."""
        daemon = self.daemon({"stages": [{"name": "probe", "plugin": PROBE}],
                              "pipeline": {"threads": 1, "batch_documents_max": 1}})
        intake, go_on = self.intake(daemon), self.folder / "go on"
        for i in range(1, 4):
            intake.bare_json(body=f"done {i}")
        self.results(daemon, 3)
        for i in range(4, 9):
            intake.bare_json(body=f"waits {i}", attributes={"wait_for": str(go_on)})
        daemon.kill()
        self.damage(daemon.state / "result", b"done 2")
        self.damage(daemon.state / "intake", b"waits 5")
        go_on.touch()
        daemon.start()
        expected = [(i, "PROCESSED", "") for i in range(1, 9)]
        expected[1] = 2, "DEAD", "LOG_DAMAGED"
        expected[4] = 5, "DEAD", "LOG_DAMAGED"
        self.assertEqual(seen(self.results(daemon, 8)), expected)
        metrics = daemon.metrics()
        self.assertEqual([metrics[f"wiremill_documents_{term}_total"]
                          for term in ("accepted", "processed", "dead")], [8, 7, 1])
        self.assertEqual(daemon.stop(), 0)
        daemon.start()  # the same again, and nothing is made anew
        self.assertEqual(seen(self.results(daemon, 8)), expected)
        self.assertEqual(daemon.stop(), 0)
        done = wiremill("log", "stat", "--ledger", "--format", "json", daemon.state)
        ledger = json.loads(done.stdout)["ledger"]
        self.assertEqual((ledger["unreadable"], ledger["in_flight"], ledger["disagreements"]), (1, 0, 0))


if __name__ == "__main__":
    unittest.main()
