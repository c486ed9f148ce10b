"""SIGTERM under load, a second signal, and the log of it all."""
import datetime
import signal
import unittest

from harness import EndToEndTest, Result, article, replay_all, wait_until, write_jsonl

DOCUMENTS = 1500


def ids_of(acknowledged):
    """{id: sequence} of what `wiremill push` printed."""
    rows = [line.split("\t") for line in acknowledged.decode().splitlines()]
    return {row[1]: int(row[0]) for row in rows}


def time_of(line):
    return datetime.datetime.fromisoformat(line["time"])


class DrainTest(EndToEndTest):
    def load(self, config):
        """A daemon and a client that is pushing more than it can process at once."""
        daemon = self.daemon({"pipeline": {"threads": 1}, **config})
        documents = [{"id": f"load-{i}", "source": "load.example", "body": article(i, 30)}
                     for i in range(DOCUMENTS)]
        path = write_jsonl(self.folder / "load.jsonl", documents)
        push = self.program("push", "--intake", daemon.intake, path)
        self.results(daemon, 20)  # the load is on
        return daemon, push

    def check_outcome(self, daemon, push):
        """After a new start everything acknowledged has exactly one result."""
        daemon.start()
        out, errors = push.communicate()
        self.assertEqual(push.returncode, 0, errors)
        acknowledged = ids_of(out)
        self.assertEqual(set(acknowledged), {f"load-{i}" for i in range(DOCUMENTS)})
        self.assertEqual(sorted(acknowledged.values()), list(range(1, DOCUMENTS + 1)))
        results = self.results(daemon, DOCUMENTS)
        self.assertEqual([each.sequence for each in results], list(range(1, DOCUMENTS + 1)))
        self.assertEqual({each.id: each.sequence for each in results}, acknowledged)
        for result in results:
            self.assertEqual(result.status, Result.PROCESSED)
            self.assertNotEqual(result.duplicate.of, result.id)
        self.assertEqual(len(replay_all(daemon.replay)), DOCUMENTS)

    def test_within_drain_timeout(self):
        daemon, push = self.load({"drain_timeout": "200ms"})
        self.assertEqual(daemon.stop(), 0)
        log = daemon.log()
        begun = next(line for line in log if "draining" in line["message"])
        ended = next(line for line in log if "left for the next start" in line["message"])
        self.assertGreaterEqual((time_of(ended) - time_of(begun)).total_seconds(), 0.19)
        self.assertTrue(log[-1]["message"].startswith("stopped:"), log[-1])
        self.check_outcome(daemon, push)

    def test_everything_where_there_is_time(self):
        """What was acknowledged before the signal has its result when the daemon ends."""
        daemon, push = self.load({"drain_timeout": "1h"})
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(daemon.logged("left for the next start"))
        stopped = daemon.log()[-1]["message"]
        daemon.start()
        next_sequence = int(next(line["message"] for line in daemon.log() if "next sequence" in
                                 line["message"]).rsplit(" ", 1)[1])
        self.assertIn(f"stopped: {next_sequence - 1} processed", stopped)
        daemon.kill()
        self.check_outcome(daemon, push)

    def test_a_second_signal(self):
        daemon, push = self.load({"drain_timeout": "1h"})
        daemon.signal(signal.SIGINT)
        wait_until(lambda: daemon.logged("draining"), "the first signal")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)
        self.assertTrue(daemon.logged("second signal"))
        self.assertFalse(daemon.logged("stopped:"))
        self.check_outcome(daemon, push)

    def test_killed(self):
        daemon, push = self.load({})
        daemon.kill()
        self.check_outcome(daemon, push)

    def test_idle(self):
        daemon = self.daemon()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.daemon({"stages": []}).stop(), 0)


class LogTest(EndToEndTest):
    def test_is_json_lines(self):
        daemon = self.daemon()
        self.intake(daemon).bare_json(body="x")
        self.results(daemon, 1)
        self.assertEqual(daemon.stop(), 0)
        log = daemon.log()  # each line is JSON
        self.assertGreaterEqual(len(log), 3)
        for line in log:
            self.assertEqual(list(line), ["time", "level", "thread", "message"])
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertIn("1 processed", log[-1]["message"])


if __name__ == "__main__":
    unittest.main()
