"""`wiremill log verify|stat` on the folder of a real daemon: beside it, after it, and damaged."""
import json
import unittest

from harness import PROBE, EndToEndTest, wait_until, wiremill


def read(*arguments):
    done = wiremill("log", "stat", "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class LogCommand(EndToEndTest):
    def test_counts_every_outcome_again_and_names_damage(self):
        daemon = self.daemon({"stages": [{"name": "probe", "plugin": PROBE}]})
        intake = self.intake(daemon)
        for body in ["x"] * 30 + ["drop"] * 4 + ["bad"] * 2:
            intake.bare("application/json", json.dumps({"body": body}).encode())
        wait_until(lambda: read("--ledger", daemon.state)["ledger"]["in_flight"] == 0, "results")
        beside = read(daemon.state)
        self.assertTrue(all(log["held"] for log in beside["logs"]))
        self.assertEqual(daemon.stop(), 0)

        done = wiremill("log", "verify", "--ledger", daemon.state)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count(b"whole"), 2)
        after = read("--ledger", daemon.state)
        self.assertEqual([log["name"] for log in after["logs"]], ["intake", "result"])
        self.assertTrue(all(log["clean"] and not log["held"] for log in after["logs"]))
        ledger = after["ledger"]
        self.assertEqual([ledger[name] for name in ("accepted", "processed", "dropped", "dead")],
                         [36, 30, 4, 2])
        self.assertEqual(ledger["totals"], {"processed": 30, "dropped": 4, "dead": 2})
        self.assertEqual((ledger["in_flight"], ledger["disagreements"]), (0, 0))

        [segment] = (daemon.state / "result").glob("*.seg")
        one_log = wiremill("log", "verify", segment.parent)
        self.assertEqual(one_log.returncode, 0, one_log.stderr)
        content = bytearray(segment.read_bytes())
        content[4096 + 64 + 16 + 5] ^= 1
        segment.write_bytes(content)
        done = wiremill("log", "verify", daemon.state)
        self.assertEqual(done.returncode, 65, done.stdout)
        self.assertIn(f"{segment}, offset 4160: record 1: damaged".encode(), done.stdout)
        self.assertEqual(segment.read_bytes(), content, "nothing is changed")
        self.assertEqual(read("--ledger", daemon.state)["ledger"]["unreadable"], 1)

    def test_refusals(self):
        for arguments, code, words in (
                (["log"], 64, b""), (["log", "verify"], 64, b""),
                (["log", "verify", self.folder / "absent"], 74, b"absent"),
                (["log", "verify", self.folder], 74, b"there is no log in"),
                (["log", "stat", "--ledger", self.folder], 64, b"needs a state folder")):
            with self.subTest(arguments):
                done = wiremill(*arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
