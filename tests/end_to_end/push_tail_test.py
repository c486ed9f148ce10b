"""`wiremill push` and `wiremill tail` against a daemon that stays, goes and comes back."""
import datetime
import json
import signal
import unittest

from harness import (HANG_S, EndToEndTest, article, start_wiremill, wait_until, wiremill,
                     write_jsonl)


def rows_of(out):
    return [line.split("\t") for line in out.decode().splitlines()]


class PushTest(EndToEndTest):
    def test_a_line_for_each_acknowledged_document(self):
        daemon = self.daemon()
        first, second = self.folder / "first.txt", self.folder / "second.html"
        first.write_text(article(1))
        second.write_text(f"<html><body><article><p>{article(2)}</p></article></body></html>")
        push = ["push", "--intake", daemon.intake, "--source", "files.example", first, second]
        done = wiremill(*push)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(rows_of(done.stdout), [["1", str(first)], ["2", str(second)]])
        again = wiremill(*push)
        self.assertEqual(again.returncode, 0)
        self.assertEqual(rows_of(again.stdout),
                         [["1", str(first), "repeat"], ["2", str(second), "repeat"]])
        first.write_text(article(3))
        self.assertEqual(rows_of(wiremill(*push).stdout)[0], ["3", str(first)])
        results = self.results(daemon, 3)
        self.assertEqual([each.source for each in results], ["files.example"] * 3)
        self.assertEqual([each.revises for each in results], [0, 0, 1])

    def test_refusals_are_named_and_the_rest_goes_on(self):
        daemon = self.daemon({"intake": {"document_bytes_max": "16KiB"}})
        lines = [json.dumps({"id": "good", "body": article(1)}), "{broken",
                 json.dumps({"id": "big", "body": "x" * 20_000}),
                 json.dumps({"id": "film", "body": "x", "content_type": "video/mp4"}),
                 json.dumps({"id": "last", "body": article(2)})]
        path = self.folder / "mixed.jsonl"
        path.write_text("\n".join(lines))
        done = wiremill("push", "--intake", daemon.intake, path, self.folder / "absent.txt")
        self.assertEqual(done.returncode, 65)
        self.assertEqual(rows_of(done.stdout), [["1", "good"], ["2", "last"]])
        errors = done.stderr.decode()
        self.assertIn(f"{path}:2: byte 1: ", errors)
        self.assertRegex(errors, f"{path}:3: refused: TOO_LARGE: .*16384")
        self.assertRegex(errors, f"{path}:4: refused: UNSUPPORTED: .*video/mp4")
        self.assertIn("absent.txt", errors)
        self.assertEqual(len(errors.splitlines()), 4)

    def test_from_standard_input_with_a_small_window(self):
        daemon = self.daemon({"intake": {"credit": 3}})
        text = "".join(json.dumps({"id": f"n{i}", "body": article(i, 2)}) + "\n" for i in range(200))
        done = wiremill("push", "--intake", daemon.intake, "--window", "1000", "-",
                        stdin=text.encode())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(rows_of(done.stdout), [[str(i + 1), f"n{i}"] for i in range(200)])

    def test_endpoint_from_a_configuration(self):
        daemon = self.daemon()
        done = wiremill("push", "--config", daemon.config_path, "--input", "text", "-",
                        stdin=b"Some text.")
        self.assertEqual(rows_of(done.stdout), [["1", "seq:1"]], done.stderr)
        tail = wiremill("tail", "--config", daemon.config_path, "--since", "first", "--count", "1",
                        "--format", "json")
        self.assertEqual(json.loads(tail.stdout)["text"], "Some text.")

    def test_no_daemon(self):
        daemon = self.daemon(start=False)
        done = wiremill("push", "--intake", daemon.intake, "--give-up-after", "1", "--input", "text",
                        "-", stdin=b"x")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn(daemon.intake.encode(), done.stderr)

    def test_survives_kills_of_the_daemon(self):
        """Killed and restarted in the middle, three times: nothing lost, nothing twice."""
        count = 4000
        daemon = self.daemon()
        path = write_jsonl(self.folder / "many.jsonl",
                           [{"id": f"id-{i}", "body": article(i, 4)} for i in range(count)])
        out_path = self.folder / "out"
        with open(out_path, "wb") as out:
            push = self.program("push", "--intake", daemon.intake, "--window", "300", path, stdout=out)
        for kills in (1, 2, 3):
            wait_until(lambda: out_path.read_bytes().count(b"\n") > kills * count // 5,
                       "the next acknowledgements")
            daemon.kill()
            daemon.start()
        _, errors = push.communicate(timeout=HANG_S)
        self.assertEqual(push.returncode, 0, errors)
        rows = rows_of(out_path.read_bytes())
        self.assertEqual([row[1] for row in rows], [f"id-{i}" for i in range(count)])
        self.assertEqual(sorted(int(row[0]) for row in rows), list(range(1, count + 1)))
        results = self.results(daemon, count)
        self.assertEqual({each.id: str(each.sequence) for each in results},
                         {row[1]: row[0] for row in rows})
        for result in results:
            self.assertNotEqual(result.duplicate.of, result.id)


class TailTest(EndToEndTest):
    def pushed(self, documents, config=None):
        daemon = self.daemon(config)
        for each in documents:
            self.assertIn("ack", self.intake(daemon).bare_json(**each))
        self.results(daemon, len(documents))
        return daemon

    def tail(self, daemon, *arguments):
        done = wiremill("tail", "--replay", daemon.replay, "--format", "json", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def sequences(self, daemon, *arguments):
        return [each["sequence"] for each in self.tail(daemon, *arguments)]

    def test_since_count_and_no_follow(self):
        daemon = self.pushed([{"id": f"d{i}", "body": article(i)} for i in range(5)])
        self.assertEqual(self.sequences(daemon, "--since", "first", "--no-follow"), [1, 2, 3, 4, 5])
        self.assertEqual(self.sequences(daemon, "--since", "4", "--no-follow"), [4, 5])
        self.assertEqual(self.sequences(daemon, "--since", "2", "--count", "2"), [2, 3])
        self.assertEqual(self.sequences(daemon, "--since", "6", "--no-follow"), [])
        self.assertEqual(self.sequences(daemon, "--no-follow"), [], "live begins at the head")

    def test_since_a_time(self):
        daemon = self.pushed([{"id": "early", "body": article(1)}])
        between = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
        self.intake(daemon).bare_json(id="later", body=article(2))
        self.results(daemon, 2)
        self.assertEqual(self.sequences(daemon, "--since", between, "--no-follow"), [2])
        self.assertEqual(self.sequences(daemon, "--since", "2001-01-01T00:00:00Z", "--no-follow"),
                         [1, 2])
        self.assertEqual(self.sequences(daemon, "--since", "2100-01-01T00:00:00Z", "--no-follow"), [])

    def test_topics(self):
        german = ("Der Bürgermeister sprach am Freitag über drei neue Brücken. Die Stadt will sie im "
                  "Herbst bauen, und die Bewohner freuen sich schon darauf.")
        daemon = self.pushed([
            {"id": "a", "source": "one.example", "body": article(1)},
            {"id": "b", "source": "two/three", "body": article(2)},
            {"id": "c", "source": "one.example", "body": german}, {"id": "d", "body": ""}])
        for topics, expected in ((["en/"], [1, 2]), (["en/one.example/"], [1]), (["de/"], [3]),
                                 (["en/one", "de/one"], [1, 3]), (["zxx/"], [4]), (["fr/"], []),
                                 (["en/two%2Fthree/"], [2]), ([""], [1, 2, 3, 4])):
            arguments = [word for topic in topics for word in ("--topic", topic)]
            self.assertEqual(self.sequences(daemon, "--since", "first", "--no-follow", *arguments),
                             expected, topics)

    def test_live(self):
        daemon = self.pushed([{"id": "before", "body": article(1)}])
        tail = self.program("tail", "--replay", daemon.replay, "--since", "live", "--count", "2",
                            "--format", "json")
        client = self.intake(daemon)
        number = 2  # When tail has connected is its own affair: push until it has seen two.
        while tail.poll() is None:
            client.bare_json(id=f"new-{number}", body=article(number))
            number += 1
        shown = [json.loads(line)["sequence"] for line in tail.stdout.read().splitlines()]
        self.assertEqual(len(shown), 2)
        self.assertGreater(shown[0], 1)
        self.assertEqual(shown[1], shown[0] + 1)

    def test_over_restarts(self):
        """Drained, then killed: no gap and no repeat."""
        daemon = self.daemon()
        out_path = self.folder / "out"
        total = 900
        with open(out_path, "wb") as out:
            tail = self.program("tail", "--replay", daemon.replay, "--since", "first", "--count",
                                total, "--format", "json", stdout=out)
        for step, end in enumerate((daemon.stop, daemon.kill, lambda: None)):
            path = write_jsonl(self.folder / f"{step}.jsonl",
                               [{"id": f"{step}-{i}", "body": article(step * 300 + i, 4)}
                                for i in range(300)])
            done = wiremill("push", "--intake", daemon.intake, path)
            self.assertEqual(done.returncode, 0, done.stderr)
            # The first end finds tail at the head, the second one on its way.
            shown = 300 if step == 0 else step * 300 + 100
            wait_until(lambda: out_path.read_bytes().count(b"\n") >= shown, "tail's lines")
            end()
            if step < 2:
                daemon.start()
        self.assertEqual(tail.wait(HANG_S), 0)
        lines = [json.loads(line) for line in out_path.read_bytes().splitlines()]
        self.assertEqual([each["sequence"] for each in lines], list(range(1, total + 1)))
        self.assertEqual([each["id"] for each in lines],
                         [f"{step}-{i}" for step in range(3) for i in range(300)])

    def test_a_stream_repeats_nothing(self):
        """Seen without the client, which would hide a repeat: from old results on into new ones."""
        count = 40
        daemon = self.pushed([{"id": f"d{i}", "body": article(i, 2)} for i in range(count)])
        for _ in range(2):
            for first in (1, 17, count, count + 1):
                stream = self.subscriber(daemon, first=first, credit=7)
                replies = stream.replies()
                sequences = self.until_head(replies)
                self.intake(daemon).bare_json(body=article(count, 2))
                count += 1
                sequences += self.until_head(replies, count)
                self.assertEqual(sequences, list(range(first, count + 1)))
                stream.close()
            daemon.kill()
            daemon.start()

    @staticmethod
    def until_head(replies, head=0):
        """The sequences of the items up to a head that is at least this one."""
        sequences = []
        for reply, _ in replies:
            if reply.WhichOneof("kind") == "item":
                sequences.append(reply.item.header.sequence)
            elif reply.WhichOneof("kind") == "head" and reply.head.sequence >= head:
                return sequences
        return sequences

    def test_ends_with_an_interrupt(self):
        daemon = self.pushed([{"id": "one", "body": article(1)}])
        out_path = self.folder / "out"
        with open(out_path, "wb") as out:
            tail = self.program("tail", "--replay", daemon.replay, "--since", "first", stdout=out)
        wait_until(out_path.read_bytes, "the first line")
        tail.send_signal(signal.SIGINT)
        self.assertEqual(tail.wait(HANG_S), 0)
        self.assertNotIn(b"\x1b", out_path.read_bytes())

    def test_ends_when_nobody_reads(self):
        daemon = self.daemon()
        tail = start_wiremill("tail", "--replay", daemon.replay, "--since", "first", "--format",
                              "json")
        tail.stdout.close()  # before there is anything to write
        self.assertIn("ack", self.intake(daemon).bare_json(id="d", body=article(0)))
        self.assertEqual(tail.wait(HANG_S), -signal.SIGPIPE)
        tail.stderr.close()

    def test_the_same_line_as_run(self):
        """A result looks alike wherever it is shown."""
        path = write_jsonl(self.folder / "one.jsonl",
                           [{"id": "one", "source": "s", "uri": "http://one.example/", "title": "T",
                             "published": "2024-02-03T04:05:06Z", "body": article(1)}])
        daemon = self.daemon()
        self.assertEqual(wiremill("push", "--intake", daemon.intake, path).returncode, 0)
        self.results(daemon, 1)
        tail = wiremill("tail", "--replay", daemon.replay, "--since", "first", "--count", "1",
                        "--format", "json")
        self.assertEqual(tail.stdout, wiremill("run", "--format", "json", path).stdout)


if __name__ == "__main__":
    unittest.main()
