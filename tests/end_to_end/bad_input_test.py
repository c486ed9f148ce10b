"""What a daemon with the default stages does with input that is broken, empty, huge or hostile."""
import json
import unittest

from wiremill.v1 import document_pb2, intake_pb2

from harness import PROBE, EndToEndTest, Result, article, document

TOO_LARGE, MALFORMED, UNSUPPORTED = (intake_pb2.Nack.TOO_LARGE, intake_pb2.Nack.MALFORMED,
                                     intake_pb2.Nack.UNSUPPORTED)
DEFAULT_BYTES_MAX = 10 << 20


def json_of_size(size):
    """A JSON document of exactly `size` bytes."""
    begin, end = b'{"id":"sized","content_type":"text/plain","body":"', b'"}'
    return begin + filler(size - len(begin) - len(end)) + end


def protobuf_of_size(size):
    """A Document of exactly `size` bytes."""
    body_size = size - 16
    while len(encoded := document(id="sized", body=filler(body_size))) != size:
        body_size += size - len(encoded)
    return encoded


def filler(size):
    return (b"The ferry left the harbour at noon and came back late. " * (size // 55 + 1))[:size]


class NotUtf8Test(EndToEndTest):
    def test_broken_bytes_become_replacement_characters(self):
        daemon = self.daemon()
        client = self.intake(daemon)
        body = ("Der Bürgermeister von Köln sprach über drei Brücken. Die Züge fahren künftig öfter, "
                "sagte er, und die Fähre für Fußgänger kommt später. ").encode() * 3
        body = body.replace(b"drei", b"\xff\xe2\x82 drei", 1)
        client.bare("application/x-protobuf", document(id="raw", body=body))
        for text in (b'{"id":"in json","body":"' + body + b'"}',
                     b'{"id":"lone surrogate","body":"A \\ud800 in the text."}'):
            self.assertIn("ack", client.bare("application/json", text))
        raw, in_json, surrogate = self.results(daemon, 3)
        for result in (raw, in_json):
            self.assertEqual(result.status, Result.PROCESSED)
            self.assertIn("sprach über \ufffd\ufffd drei Brücken", result.text)
            self.assertEqual(result.language.code, "de")
        self.assertEqual(surrogate.status, Result.PROCESSED)
        self.assertIn("A \ufffd in the text.", surrogate.text)

    def test_another_charset_is_read(self):
        """What is plainly not meant as UTF-8 is not repaired but converted."""
        daemon = self.daemon()
        body = ("Der Bürgermeister von Köln sprach über drei Brücken. Die Züge fahren künftig öfter, "
                "sagte er, und die Fähre für Fußgänger kommt später.")
        self.intake(daemon).bare("application/x-protobuf", document(body=body.encode("latin-1")))
        [result] = self.results(daemon, 1)
        self.assertEqual((result.text, result.language.code), (body, "de"))

    def test_without_a_stage_that_cleans(self):
        daemon = self.daemon({"stages": [{"name": "language"}]})
        self.intake(daemon).bare("application/x-protobuf", document(body=b"One \xff two\xe2\x82"))
        [result] = self.results(daemon, 1)
        self.assertEqual((result.status, result.text), (Result.PROCESSED, "One \ufffd two\ufffd"))

    def test_in_every_field(self):
        """An acknowledged document is never lost to its id."""
        daemon = self.daemon()
        # Field by field on the wire: Python refuses to put this into text fields.
        broken = b"b\xc3d"
        parts = [bytes([number << 3 | 2, len(broken)]) + broken for number in (1, 2, 3, 4)]
        reply = self.intake(daemon).bare("application/x-protobuf",
                                         b"".join(parts) + document(body=article(1)))
        self.assertEqual(reply.accepted.sequence, 1)
        [result] = self.results(daemon, 1)
        self.assertEqual(result.status, Result.PROCESSED)
        self.assertEqual((result.id, result.source, result.uri), ("b\ufffdd",) * 3)

    def test_ten_megabytes_of_nothing_valid(self):
        """Repairing makes three bytes of each: the result is larger than any document."""
        daemon = self.daemon()
        client = self.intake(daemon)
        reply = client.bare("application/x-protobuf",
                            document(id="broken", body=b"\xff" * (DEFAULT_BYTES_MAX - 100)))
        self.assertEqual(reply.accepted.sequence, 1)
        client.bare_json(id="next", body=article(1))
        broken, following = self.results(daemon, 2)
        self.assertIn(broken.status, (Result.PROCESSED, Result.DEAD))
        self.assertEqual((following.id, following.status), ("next", Result.PROCESSED))


class TooLargeTest(EndToEndTest):
    LIMIT = 64 << 10

    def setUp(self):
        super().setUp()
        self.small = self.daemon({"intake": {"document_bytes_max": "64KiB"}})
        self.client = self.intake(self.small)

    def test_bare_json(self):
        accepted = self.client.bare("application/json", json_of_size(self.LIMIT))
        self.assertEqual(accepted["ack"], {"sequence": 1, "id": "sized"})
        for size in (self.LIMIT + 1, 3 * self.LIMIT):
            refused = self.client.bare("application/json", json_of_size(size))
            self.assertEqual(refused["nack"]["code"], "TOO_LARGE")
            self.assertIn(str(size), refused["nack"]["message"])

    def test_bare_protobuf(self):
        reply = self.client.bare("application/x-protobuf", protobuf_of_size(self.LIMIT))
        self.assertEqual(reply.accepted.sequence, 1)
        for size in (self.LIMIT + 1, 3 * self.LIMIT):
            reply = self.client.bare("application/x-protobuf", protobuf_of_size(size))
            self.assertEqual(reply.nack.code, TOO_LARGE)
            self.assertIn(str(size), reply.nack.message)

    def test_put(self):
        self.assertEqual(self.client.hello().document_bytes_max, self.LIMIT)
        self.client.put(1, protobuf_of_size(self.LIMIT))
        self.assertEqual(self.client.receive().ack.durable_up_to, 1)
        for number, size in ((2, self.LIMIT + 1), (3, 3 * self.LIMIT)):
            self.client.put(number, protobuf_of_size(size))
            replies = [self.client.receive(), self.client.receive()]
            nack = next(each.nack for each in replies if each.HasField("nack"))
            ack = next(each.ack for each in replies if each.HasField("ack"))
            self.assertEqual((nack.code, nack.number), (TOO_LARGE, number))
            self.assertEqual(ack.durable_up_to, number, "the refusal settles its number")
        self.client.put(4, document(id="after", body=article(1)))
        self.assertEqual(self.client.receive().ack.accepted[0].sequence, 2)

    def test_beyond_what_is_read_at_all(self):
        """A frame of more than four times the limit ends the connection, not the daemon."""
        self.client.bare_json(id="before", body=article(1))
        flood = self.intake(self.small)
        flood.socket.send_multipart([b"application/json", json_of_size(40 * self.LIMIT)])
        self.assertEqual(self.client.bare_json(id="after", body=article(2))["ack"]["sequence"], 2)
        self.assertEqual(self.intake(self.small).bare_json(body=article(3))["ack"]["sequence"], 3)

    def test_the_default_limit(self):
        client = self.intake(self.daemon())
        accepted = client.bare("application/json", json_of_size(DEFAULT_BYTES_MAX))
        self.assertEqual(accepted["ack"]["sequence"], 1)
        for size in (DEFAULT_BYTES_MAX + 1, 35 << 20):
            refused = client.bare("application/json", json_of_size(size))
            self.assertEqual(refused["nack"]["code"], "TOO_LARGE")


class MalformedTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.target = self.daemon()
        self.client = self.intake(self.target)

    def test_json(self):
        for text, position in ((b"", 0), (b"no JSON", 1), (b'{"id":"a","body":}', 17),
                               (b'{"id":"a","body":"cut', 21), (b'["id"]', 0),
                               (b'{"id":"a"} trailing', 11), (b'{"bodyy":"x"}', None),
                               (b'{"body":{"a":1}}', None), (b'{"published":"yesterday"}', None),
                               (b"[" * 200_000, None)):
            with self.subTest(text[:40]):
                nack = self.client.bare("application/json", text)["nack"]
                self.assertEqual(nack["code"], "MALFORMED")
                self.assertRegex(nack["message"], r"^byte \d+: .")
                if position is not None:
                    said = int(nack["message"].split(":")[0].removeprefix("byte "))
                    self.assertAlmostEqual(said, position, delta=1)
        self.assertEqual(self.client.bare_json(id="good")["ack"]["sequence"], 1)

    def test_protobuf(self):
        good = document(id="good")
        for payload, position in ((b"\x0a\x05ab", 0), (good + b"\x2a\x7fshort", len(good)),
                                  (good + b"\x07", len(good)), (b"\xff" * 20, 0),
                                  (good + b"\x42\x02\x0a\x09", len(good))):
            with self.subTest(payload):
                nack = self.client.bare("application/x-protobuf", payload).nack
                self.assertEqual(nack.code, MALFORMED)
                self.assertTrue(nack.message.startswith(f"byte {position}: "), nack.message)
        self.assertEqual(self.client.bare("application/x-protobuf", good).accepted.sequence, 1)

    def test_put(self):
        self.client.hello()
        self.client.put(1, b"\x0a\x05ab")
        replies = [self.client.receive(), self.client.receive()]
        nack = next(each.nack for each in replies if each.HasField("nack"))
        self.assertEqual((nack.number, nack.code), (1, MALFORMED))
        self.assertTrue(nack.message.startswith("byte 0: "), nack.message)
        self.client.put(2, b'{"id": nothing}', "application/json")
        replies = [self.client.receive(), self.client.receive()]
        nack = next(each.nack for each in replies if each.HasField("nack"))
        self.assertEqual((nack.number, nack.code), (2, MALFORMED))
        self.assertRegex(nack.message, r"^byte \d+: ")

    def test_messages_that_are_none(self):
        """Frames that follow no form are answered or dropped; the next client is served."""
        socket = self.client.socket
        for frames in ([b""], [b"", b""], [b"application/json"], [b"a", b"b", b"c", b"d"],
                       [b"WM1"], [b"WM1", b"\xff\xff"], [b"WM1", b"", b"x"], [b"\x00" * 300],
                       [b"x"] * 500):
            socket.send_multipart(frames)
        other = self.intake(self.target)
        self.assertEqual(other.bare_json(id="good", body=article(1))["ack"]["sequence"], 1)
        [result] = self.results(self.target, 1)
        self.assertEqual(result.id, "good")


class UnsupportedTest(EndToEndTest):
    def test_unknown_content_types(self):
        client = self.intake(self.daemon())
        nack = client.bare("application/pdf", b"%PDF-1.7")["nack"]
        self.assertEqual(nack["code"], "UNSUPPORTED")
        self.assertIn("application/pdf", nack["message"])
        nack = client.bare_json(id="a film", body="x", content_type="video/mp4")["nack"]
        self.assertEqual((nack["code"], nack["id"]), ("UNSUPPORTED", "a film"))
        self.assertIn("video/mp4", nack["message"])
        reply = client.bare("application/x-protobuf", document(body="x", content_type="text/csv"))
        self.assertEqual(reply.nack.code, UNSUPPORTED)
        client.hello()
        client.put(1, b"<xml/>", "application/xml")
        replies = [client.receive(), client.receive()]
        nack = next(each.nack for each in replies if each.HasField("nack"))
        self.assertEqual((nack.number, nack.code), (1, UNSUPPORTED))
        self.assertEqual(client.bare_json(id="good")["ack"]["sequence"], 1)


class OddDocumentsTest(EndToEndTest):
    def test_empty(self):
        daemon = self.daemon()
        client = self.intake(daemon)
        self.assertEqual(client.bare("application/json", b"{}")["ack"],
                         {"sequence": 1, "id": "seq:1"})
        self.assertEqual(client.bare("application/x-protobuf", b"").accepted.sequence, 2)
        self.assertIn("ack", client.bare_json(id="blank", body=" \n\t "))
        for result in self.results(daemon, 3):
            self.assertEqual(result.status, Result.PROCESSED)
            self.assertEqual(result.language.code, "zxx")
            self.assertEqual(result.text, "")
            self.assertEqual((result.summary.text, list(result.summary.sentences)), ("", []))
            self.assertEqual(result.duplicate.kind, document_pb2.Duplicate.NONE)
            self.assertIn(Result.SUMMARY, result.provided)

    def test_nested_divs(self):
        """A tree of 100,000 levels is bounded work."""
        daemon = self.daemon()
        client = self.intake(daemon)
        body = "<html><body>" + "<div>" * 100_000 + article(1) + "</div>" * 100_000
        client.bare_json(id="deep", body=body, content_type="text/html")
        client.bare_json(id="unclosed", body="<p>" + article(2) + "<b><i><table>" * 50_000,
                         content_type="text/html")
        client.bare_json(id="next", body=article(3))
        deep, unclosed, following = self.results(daemon, 3)
        for result in (deep, unclosed):
            self.assertEqual(result.status, Result.PROCESSED)
        self.assertNotIn("<div>", deep.text)
        self.assertIn("The harbour council", following.text + deep.text)
        self.assertEqual(following.status, Result.PROCESSED)

    def test_long_lines_and_strange_characters(self):
        daemon = self.daemon()
        client = self.intake(daemon)
        bodies = {"one word": "a" * 1_000_000, "no blanks": "漢字" * 100_000,
                  "control": "".join(map(chr, range(1, 32))) * 1000,
                  "nul": "before\0after\0" * 1000, "combining": "e" + "\u0301" * 300_000,
                  "right to left": "\u202e\u2066" * 50_000 + article(1),
                  "newlines": "\n" * 1_000_000, "quotes": '"\\' * 100_000}
        for name, body in bodies.items():
            self.assertIn("ack", client.bare_json(id=name, body=body))
        for result, name in zip(self.results(daemon, len(bodies)), bodies):
            self.assertEqual((result.id, result.status), (name, Result.PROCESSED))


    def test_a_line_of_more_than_a_mebibyte(self):
        """Wherever a stage cuts it, it cuts no character."""
        daemon = self.daemon()
        client = self.intake(daemon)
        for name, kind in (("text", "text/plain"), ("markdown", "text/markdown"),
                           ("html", "text/html")):
            client.bare_json(id=name, body="漢字" * 200_000, content_type=kind)
        for result in self.results(daemon, 3):
            self.assertEqual(result.status, Result.PROCESSED, result.failure)


class FailingStageTest(EndToEndTest):
    def test_is_a_dead_letter_and_the_next_goes_on(self):
        stages = [{"name": name} for name in ("clean", "language")] + [
            {"name": "probe", "plugin": PROBE, "attempts_max": 2},
            {"name": "duplicates"}, {"name": "summary"}]
        daemon = self.daemon({"stages": stages})
        client = self.intake(daemon)
        bodies = ["bad", "throw", "throw in settle", "bad span", "drop", "skip", article(1)]
        for body in bodies:
            self.assertIn("ack", client.bare_json(id=body[:20], source="x", body=body))
        bad, throw, settle, span, drop, skip, good = self.results(daemon, len(bodies))
        self.assertEqual([each.sequence for each in (bad, throw, settle, span, drop, skip, good)],
                         list(range(1, 8)))
        for result, code, message, attempts in (
                (bad, "UNREADABLE", "the body says so", 1),
                (throw, "EXCEPTION", "thrown in process", 2),
                (settle, "EXCEPTION", "thrown in settle", 1)):
            self.assertEqual(result.status, Result.DEAD)
            self.assertEqual(result.failure.stage, "probe")
            self.assertIn(message, result.failure.message)
            self.assertEqual(result.failure.attempts, attempts)
            self.assertEqual(result.failure.code, code)
            self.assertEqual(len(result.extensions), 0, "what failed takes no effect")
            self.assertNotIn(Result.SUMMARY, result.provided)
        self.assertEqual((bad.byline, throw.byline), ("", ""))
        self.assertEqual((drop.status, drop.failure.stage, drop.failure.code),
                         (Result.DROPPED, "probe", "ASKED"))
        self.assertEqual(skip.status, Result.PROCESSED)
        self.assertEqual((good.status, good.byline), (Result.PROCESSED, "by x"))
        self.assertNotEqual(good.summary.text, "")
        self.assertEqual((span.status, span.failure.stage), (Result.DEAD, "probe"))
        # The settled ones whose result stands are counted: `skip` and the good one.
        self.assertEqual(json.loads(good.extensions[0].json)["count"], 2)


if __name__ == "__main__":
    unittest.main()
