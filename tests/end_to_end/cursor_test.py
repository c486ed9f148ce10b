"""`wiremill tail --cursor`: a consumer that is killed, a daemon that is killed, a reader that leaves."""
import json
import os
import signal
import subprocess
import unittest

from harness import (HANG_S, EndToEndTest, article, document, start_wiremill, wait_until, wiremill,
                     write_jsonl)


def sequences(text):
    """Of the whole lines: a killed tail may leave half a one."""
    return [json.loads(line)["sequence"] for line in text.split(b"\n")[:-1]]


class CursorTest(EndToEndTest):
    def pushed(self, count, daemon=None, first=0):
        daemon = daemon or self.daemon()
        path = write_jsonl(self.folder / f"{first}.jsonl",
                           [{"id": f"d{i}", "source": f"s{i % 2}.example", "body": article(i, 3)}
                            for i in range(first, first + count)])
        self.assertEqual(wiremill("push", "--intake", daemon.intake, path).returncode, 0)
        return daemon

    def tail(self, daemon, *arguments):
        done = wiremill("tail", "--replay", daemon.replay, "--format", "json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return sequences(done.stdout)

    def test_goes_on_where_it_ended(self):
        daemon = self.pushed(10)
        self.results(daemon, 10)
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--count", "4"), [1, 2, 3, 4])
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--no-follow"), list(range(5, 11)))
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--no-follow"), [])
        self.assertEqual(self.tail(daemon, "--cursor", "other", "--count", "2"), [1, 2])

    def test_filters_move_the_cursor_over_what_they_keep_back(self):
        daemon = self.pushed(10)
        self.results(daemon, 10)
        arguments = ("--cursor", "odd", "--source", "s1.example", "--no-follow")
        self.assertEqual(self.tail(daemon, *arguments), [2, 4, 6, 8, 10])
        self.assertEqual(self.tail(daemon, "--cursor", "odd", "--no-follow"), [])
        for filters, expected in ((("--language", "en"), 10), (("--language", "fr"), 0),
                                  (("--status", "dead", "--status", "dropped"), 0),
                                  (("--status", "PROCESSED", "--source", "s0.example"), 5)):
            shown = self.tail(daemon, "--since", "first", "--no-follow", *filters)
            self.assertEqual(len(shown), expected, filters)
        self.assertEqual(self.tail(daemon, "--cursor", "none", "--source", "nobody", "--no-follow"),
                         [])
        self.assertEqual(self.tail(daemon, "--cursor", "none", "--no-follow"), [])

    def test_at_least_once_over_kills_of_both(self):
        """kill -9 of tail and of the daemon, in turns: no gap, and each tail begins at or before the
        end of the one before."""
        daemon = self.daemon()
        out_path = self.folder / "out"
        total, rounds = 1200, 6
        shown = []
        for step in range(rounds):
            with open(out_path, "wb") as out:
                tail = self.program("tail", "--replay", daemon.replay, "--cursor", "indexer",
                                    "--format", "json", stdout=out)
            self.pushed(total // rounds, daemon, step * total // rounds)
            before = max(shown, default=0)
            wait_until(lambda: out_path.read_bytes().count(b"\n") > 50 and
                       sequences(out_path.read_bytes())[-1] > before + 50, "tail's lines")
            if step % 2 == 0:
                daemon.kill()
                daemon.start()
                wait_until(lambda: sequences(out_path.read_bytes())[-1] ==
                           (step + 1) * total // rounds, "the rest")
            tail.kill()
            tail.wait(HANG_S)
            found = sequences(out_path.read_bytes())
            self.assertEqual(found, list(range(found[0], found[-1] + 1)), "one tail has no gap")
            self.assertLessEqual(found[0], before + 1, "the next one begins where it was committed")
            shown = found
        self.results(daemon, total)
        rest = self.tail(daemon, "--cursor", "indexer", "--no-follow")
        if rest:
            self.assertLessEqual(rest[0], shown[-1] + 1)
            self.assertEqual(rest[-1], total)
        else:
            self.assertEqual(shown[-1], total)
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--no-follow"), [])

    def test_the_cursor_survives_a_kill_of_the_daemon(self):
        daemon = self.pushed(10)
        self.results(daemon, 10)
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--count", "7"), list(range(1, 8)))
        daemon.kill()
        daemon.start()
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--no-follow"), [8, 9, 10])

    def test_signals_commit_what_was_shown(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            daemon = self.pushed(10)
            out_path = self.folder / f"out{number}"
            with open(out_path, "wb") as out:
                tail = self.program("tail", "--replay", daemon.replay, "--cursor", "indexer",
                                    "--format", "json", stdout=out)
            wait_until(lambda: out_path.read_bytes().count(b"\n") == 10, "ten lines")
            tail.send_signal(number)
            self.assertEqual(tail.wait(HANG_S), 0)
            self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--no-follow"), [])

    def test_what_a_reader_left_in_the_pipe_comes_again(self):
        daemon = self.pushed(300)
        self.results(daemon, 300)
        tail = start_wiremill("tail", "--replay", daemon.replay, "--cursor", "indexer", "--format",
                              "json")
        text = b""
        while text.count(b"\n") < 20:
            text += os.read(tail.stdout.fileno(), 4096)
        tail.stdout.close()
        self.assertIn(tail.wait(HANG_S), (-signal.SIGPIPE, 74))
        tail.stderr.close()
        taken = sequences(text)
        again = self.tail(daemon, "--cursor", "indexer", "--no-follow")
        self.assertLessEqual(again[0], taken[-1] + 1)
        self.assertEqual(again[-1], 300)

    def test_says_when_the_last_commit_is_not_confirmed(self):
        daemon = self.pushed(10)
        out_path = self.folder / "out"
        with open(out_path, "wb") as out:
            tail = self.program("tail", "--replay", daemon.replay, "--cursor", "indexer", "--format",
                                "json", stdout=out, stderr=subprocess.PIPE)
        wait_until(lambda: out_path.read_bytes().count(b"\n") == 10, "ten lines")
        daemon.signal(signal.SIGSTOP)
        client_side = sequences(out_path.read_bytes())
        tail.send_signal(signal.SIGTERM)
        code = tail.wait(HANG_S)
        daemon.signal(signal.SIGCONT)
        said = tail.stderr.read().decode()
        again = self.tail(daemon, "--cursor", "indexer", "--no-follow")
        if code == 0:  # committed before the daemon was stopped
            self.assertEqual(again, [])
        else:
            self.assertEqual(code, 69)
            self.assertIn("comes again", said)
            self.assertTrue(not again or again[-1] == client_side[-1])

    def test_refusals(self):
        daemon = self.pushed(3)
        self.results(daemon, 3)
        for arguments, code, words in (
                (("--cursor", "a", "--since", "first"), 64, "only one can be given"),
                (("--cursor", "a b"), 69, "MALFORMED: a cursor's name has 1 to 128 bytes"),
                (("--status", "broken"), 64, "--status")):
            done = wiremill("tail", "--replay", daemon.replay, *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr.decode())

    def test_a_log_that_was_replaced_is_said(self):
        daemon = self.pushed(5)
        self.results(daemon, 5)
        self.assertEqual(len(self.tail(daemon, "--cursor", "indexer", "--no-follow")), 5)
        daemon.stop()
        for name in ("intake", "result", "state", "ledger"):
            (daemon.state / name).rename(daemon.state / f"old-{name}")
        daemon.start()
        self.intake(daemon).push([document(id="new", body=article(1))])
        done = wiremill("tail", "--replay", daemon.replay, "--cursor", "indexer", "--no-follow")
        self.assertEqual(done.returncode, 69)
        self.assertIn("CURSOR_AHEAD: cursor indexer stands at 5 of epoch 1", done.stderr.decode())
        self.assertIn("wiremill cursor set indexer SEQUENCE", done.stderr.decode())

    def test_damaged_cursors_are_a_clear_start_error(self):
        daemon = self.pushed(2)
        self.results(daemon, 2)
        self.tail(daemon, "--cursor", "indexer", "--no-follow")
        daemon.stop()
        path = daemon.state / "cursors" / "CURSORS"
        path.write_bytes(path.read_bytes().replace(b"indexer", b"indexes"))
        with self.assertRaisesRegex(AssertionError, "CURSORS is damaged: its checksum is wrong"):
            daemon.start()
        path.unlink()
        daemon.start()
        self.assertEqual(self.tail(daemon, "--cursor", "indexer", "--no-follow"), [1, 2])


if __name__ == "__main__":
    unittest.main()
