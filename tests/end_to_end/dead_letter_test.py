"""Dead letters from a stage that fails, over restarts: list, show, retry, discard."""
import json
import unittest

from harness import PROBE, EndToEndTest, Result, document, replay_all, wait_until, wiremill

STAGES = [{"name": "probe", "plugin": PROBE, "attempts_max": 2}]
BAD = [document(id=f"bad-{i}", source="s.example", body="bad", attributes={"batch": "7"})
       for i in range(4)]


class DeadLetterTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.one = self.daemon({"stages": STAGES})

    def dead(self, command, *arguments, expected=0):
        done = wiremill("dead", command, "--admin", self.one.admin, *arguments)
        self.assertEqual(done.returncode, expected, done.stderr.decode())
        return done.stdout

    def listed(self, *arguments):
        lines = self.dead("list", "--format", "json", *arguments).splitlines()
        return [json.loads(line) for line in lines]

    def sequences(self, *arguments):
        return [letter["sequence"] for letter in self.listed(*arguments)]

    def restart(self, kill=False):
        if kill:
            self.one.kill()
        else:
            self.assertEqual(self.one.stop(), 0)
        self.one.start()

    def push(self, documents):
        before = self.one.api("/api/status")["logs"]["intake"]["durable"]
        self.intake(self.one).push(documents)
        return self.results(self.one, before + len(documents))[before:]

    def test_what_is_kept(self):
        results = self.push([document(body="fine"), BAD[0], document(body="drop"), BAD[1],
                             document(id="raised", body="throw")])
        self.assertEqual([Result.Status.Name(each.status) for each in results],
                         ["PROCESSED", "DEAD", "DROPPED", "DEAD", "DEAD"])
        for kill in (False, True):
            letters = self.listed()
            self.assertEqual([(each["sequence"], each["id"], each["stage"], each["code"])
                              for each in letters],
                             [(2, "bad-0", "probe", "UNREADABLE"),
                              (4, "bad-1", "probe", "UNREADABLE"),
                              (5, "raised", "probe", letters[2]["code"])])
            self.assertEqual(self.sequences("--code", "UNREADABLE"), [2, 4])
            self.assertEqual(self.sequences("--stage", "other"), [])
            self.assertEqual(self.sequences("--since", "1h"), [2, 4, 5])
            self.assertEqual(self.sequences("--until", "1h"), [])
            self.assertEqual(self.sequences("--limit", "1"), [2])
            self.assertEqual(self.dead("show", "--body", "2"), b"bad")
            text = self.dead("show", "2").decode()
            for words in ("bad-0", "UNREADABLE", "the body says so", "s.example", "batch"):
                self.assertIn(words, text)
            self.restart(kill)
        self.dead("show", "1", expected=65)
        self.assertIn(b"2", wiremill("show", "4", "--admin", self.one.admin).stdout)

    def test_a_retry_is_a_new_sequence(self):
        """It dies once more, because nothing has changed; its letter takes the place of the first."""
        self.push(BAD[:2])
        self.assertEqual(self.dead("retry", "1"), b"1\t3\n")
        result = self.results(self.one, 3)[2]
        self.assertEqual((result.id, result.retries, result.status), ("bad-0", 1, Result.DEAD))
        wait_until(lambda: self.sequences() == [2, 3], "the letters")
        self.restart(kill=True)
        self.assertEqual(self.sequences(), [2, 3])
        shown = json.loads(wiremill("show", "bad-0", "--format", "json", "--admin",
                                    self.one.admin).stdout)
        self.assertEqual((shown["sequence"], shown["retries"]), (3, 1))
        self.assertEqual([each["sequence"] for each in shown["same_id"]], [3, 1])

    def test_a_retry_that_succeeds(self):
        """The stage is gone from the line: the operator has mended what was wrong."""
        self.push(BAD)
        self.assertEqual(self.one.stop(), 0)
        self.one.config["stages"] = []
        self.one.config_path.write_text(json.dumps(self.one.config))
        self.one.start()
        self.assertEqual(self.dead("retry", "--all", "--yes"), b"1\t5\n2\t6\n3\t7\n4\t8\n")
        results = self.results(self.one, 8)[4:]
        self.assertEqual([(each.id, each.retries, each.status) for each in results],
                         [(f"bad-{i}", i + 1, Result.PROCESSED) for i in range(4)])
        wait_until(lambda: not self.sequences(), "no letters")
        self.restart(kill=True)
        self.assertEqual(self.sequences(), [])
        self.assertEqual(len(replay_all(self.one.replay)), 8)
        # The same id and content from the client is still a repeat, of the first.
        self.assertTrue(self.intake(self.one).push(BAD[:1])[0].repeat)

    def test_discard(self):
        self.push(BAD)
        self.dead("discard", expected=64)
        self.assertIn(b"1 dead letters discarded", self.dead("discard", "2"))
        self.assertIn(b"0 dead letters discarded, 1 were not there",
                      self.dead("discard", "2", expected=65))
        self.assertEqual(self.sequences(), [1, 3, 4])
        self.restart(kill=True)
        self.assertEqual(self.sequences(), [1, 3, 4])
        self.dead("retry", "2", expected=65)
        self.assertIn(b"3 dead letters discarded", self.dead("discard", "--stage", "probe", "--yes"))
        self.restart()
        self.assertEqual(self.sequences(), [])
        self.assertEqual(self.one.metrics()["wiremill_dead_letters_documents"], 0)
        self.assertEqual(self.one.metrics()["wiremill_documents_dead_total"], 4)

    def test_many_at_once(self):
        count = 1500
        self.push([document(id=f"many-{i}", body="bad") for i in range(count)])
        retried = self.dead("retry", "--code", "UNREADABLE").decode().splitlines()
        self.assertEqual([tuple(map(int, line.split("\t"))) for line in retried],
                         [(i + 1, i + 1 + count) for i in range(count)])
        self.results(self.one, 2 * count)
        wait_until(lambda: len(self.sequences()) == count, "the letters of the retries")
        self.assertIn(f"{count} dead letters discarded".encode(), self.dead("discard", "--all"))
        self.assertEqual(self.sequences(), [])


if __name__ == "__main__":
    unittest.main()
