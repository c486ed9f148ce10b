"""`wiremill run`: the pipeline without a daemon."""
import json
import os
import pty
import subprocess
import unittest

from harness import (ARTICLES, HANG_S, PROBE, WIREMILL, EndToEndTest, article, wiremill,
                     write_jsonl)

KEYS = ["sequence", "id", "status", "source", "uri", "title", "published", "byline", "dateline",
        "text", "language", "sentences", "entities", "duplicate", "summary", "extensions",
        "failure", "revises", "retries", "paragraphs", "timings"]
OPTIONAL = {"extensions", "failure", "revises", "retries", "paragraphs", "timings"}
INNER = {"language": ["code", "confidence", "script", "alternatives", "spans"],
         "duplicate": ["kind", "of", "similarity", "containment", "cluster", "story", "follows"],
         "summary": ["text", "sentences", "keywords"],
         "entities": ["type", "name", "confidence", "mentions"],
         "sentences": ["begin", "end"],
         "failure": ["stage", "code", "message", "attempts"],
         "paragraphs": ["begin", "end", "body_begin", "body_end"],
         "timings": ["stage", "process_us", "settle_us"]}


def sample_files():
    return sorted(path for path in ARTICLES.iterdir() if path.name[:2].isdigit())


def synthetic(count):
    """Documents among which every tenth copies the fifth before it, some in other words."""
    documents = []
    for i in range(count):
        body = article(i - 5 if i % 10 == 9 else i)
        if i % 20 == 19:
            body = body.replace("refused", "turned down").replace("Tallinn", "Riga")
        documents.append({"id": f"doc-{i}", "source": f"source-{i % 7}.example", "body": body})
    return documents


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class RunTest(EndToEndTest):
    def assert_contract(self, result):
        """DESIGN.md's "Result as JSON": its keys, in its order, and offsets that fit."""
        self.assertEqual(list(result), [key for key in KEYS if key in result])
        self.assertLessEqual(set(KEYS) - set(result), OPTIONAL)
        for key, inner in INNER.items():
            values = result.get(key, [])
            for value in values if isinstance(values, list) else [values]:
                self.assertEqual(list(value), inner)
        text = result["text"].encode()
        spans = list(result["sentences"]) + result["paragraphs"] if "paragraphs" in result else \
            list(result["sentences"])
        for entity in result["entities"]:
            spans += entity["mentions"]
        for span in spans + result["summary"]["sentences"] + result["language"]["spans"]:
            self.assertTrue(0 <= span["begin"] < span["end"] <= len(text), span)
            text[span["begin"]:span["end"]].decode()  # on character boundaries
        for confidence in [result["language"]["confidence"]] + [
                each["confidence"] for each in result["entities"]]:
            self.assertEqual(confidence, round(confidence, 3))
            self.assertTrue(0 <= confidence <= 1)

    def test_one_line_each_in_input_order(self):
        files = sample_files()
        done = wiremill("run", "--format", "json", "--source", "samples.example", *files)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"")
        results = lines_of(done)
        self.assertEqual([each["id"] for each in results], list(map(str, files)))
        self.assertEqual([each["sequence"] for each in results], list(range(1, len(files) + 1)))
        for result in results:
            with self.subTest(result["id"]):
                self.assertEqual((result["status"], result["source"]),
                                 ("PROCESSED", "samples.example"))
                self.assert_contract(result)

    def test_paragraphs_map_back_to_a_plain_text_body(self):
        file = ARTICLES / "01-geneva-water-talks.txt"
        [result] = lines_of(wiremill("run", "--format", "json", file))
        self.assertIn("paragraphs", result)
        text, body = result["text"].encode(), file.read_bytes()
        self.assertEqual(len(result["paragraphs"]), len(result["text"].splitlines()))
        for part in result["paragraphs"]:
            self.assertEqual(text[part["begin"]:part["end"]].split(),
                             body[part["body_begin"]:part["body_end"]].split())

    def test_same_bytes_for_any_threads(self):
        path = write_jsonl(self.folder / "many.jsonl", synthetic(600))
        arguments = ["run", "--format", "json", *sample_files(), path, *sample_files()]
        one = wiremill(*arguments, "--threads", "1")
        self.assertEqual(one.returncode, 0, one.stderr)
        kinds = [each["duplicate"]["kind"] for each in lines_of(one)]
        self.assertGreaterEqual(kinds.count("EXACT"), 30)
        self.assertGreaterEqual(kinds.count("NEAR"), 3)
        for threads in ("2", "8"):
            other = wiremill(*arguments, "--threads", threads)
            self.assertEqual(other.returncode, 0, other.stderr)
            self.assertTrue(other.stdout == one.stdout, f"--threads {threads} differs")

    def test_bad_lines_are_named_and_the_rest_goes_on(self):
        path = self.folder / "some.jsonl"
        path.write_bytes(b'{"id":"one","body":"The first."}\n{"id": two}\n\n'
                         b'{"id":"three","colour":"red"}\nnot JSON\n{"id":"last","body":"Done."}')
        done = wiremill("run", "--format", "json", path)
        self.assertEqual(done.returncode, 65)
        self.assertEqual([each["id"] for each in lines_of(done)], ["one", "last"])
        errors = done.stderr.decode()
        for line in (2, 4, 5):
            self.assertIn(f"{path}:{line}: byte ", errors)
        self.assertIn('unknown key "colour"', errors)
        self.assertEqual(len(errors.splitlines()), 3)

    def test_files_that_are_not_there(self):
        good = write_jsonl(self.folder / "good.jsonl", [{"id": "good", "body": "x"}])
        done = wiremill("run", "--format", "json", self.folder / "absent.txt", self.folder, good)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn(b"absent.txt", done.stderr)
        self.assertIn(b"is a folder", done.stderr)
        self.assertEqual([each["id"] for each in lines_of(done)], ["good"])

    def test_input_kinds(self):
        html = b"<html><body><article><p>Rain fell on Lisbon.</p></article></body></html>"
        as_html = lines_of(wiremill("run", "--format", "json", "--input", "html", "-", stdin=html))
        self.assertEqual(as_html[0]["text"], "Rain fell on Lisbon.")
        as_text = lines_of(wiremill("run", "--format", "json", "--input", "text", "--stages",
                                    "language", "-", stdin=html))
        self.assertIn("language", as_text[0])
        one = b'{\n "id": "spread",\n "body": "Over lines."\n}'
        self.assertEqual(lines_of(wiremill("run", "--format", "json", "--input", "json", "-",
                                           stdin=one))[0]["id"], "spread")
        lines = b'{"id":"a","body":"x","attributes":{"n":1}}\n{"id":"b","published":"2024-01-02T03:04:05Z"}\n'
        for kind in ("auto", "jsonl"):
            results = lines_of(wiremill("run", "--format", "json", "--input", kind, "-", stdin=lines))
            self.assertEqual([each["id"] for each in results], ["a", "b"])
            self.assertEqual(results[1]["published"], "2024-01-02T03:04:05Z")
        # What stands first in standard input decides.
        self.assertEqual(lines_of(wiremill("run", "--format", "json", "-", stdin=html))[0]["text"],
                         "Rain fell on Lisbon.")
        empty = wiremill("run", "--format", "json", "--input", "jsonl", "-", stdin=b"")
        self.assertEqual((empty.returncode, empty.stdout), (0, b""))

    def test_stages(self):
        some = lines_of(wiremill("run", "--format", "json", "--stages", "clean,language",
                                 sample_files()[0]))[0]
        self.assertIn("language", some)
        self.assertNotIn("summary", some)
        self.assertNotIn("duplicate", some)
        probe = self.folder / "probe.yaml"
        probe.write_text(json.dumps({"stages": [{"name": "probe", "plugin": PROBE}]}))
        results = lines_of(wiremill("run", "--format", "json", "--config", probe, "--input", "jsonl",
                                    "-", stdin=b'{"body":"bad"}\n{"body":"drop"}\n{"body":"x"}'))
        self.assertEqual([each["status"] for each in results], ["DEAD", "DROPPED", "PROCESSED"])
        self.assertEqual(results[0]["failure"], {"stage": "probe", "code": "UNREADABLE",
                                                 "message": "the body says so", "attempts": 1})
        self.assertEqual(list(results[2]["extensions"]), ["test.probe"])
        self.assertEqual(list(results[2]["extensions"]["test.probe"]),
                         ["count", "sources", "carried"])
        for stages, words in (("summary,clean", b"stands before 'clean'"),
                              ("clean,clean", b"clean"), ("clean,cleen", b"cleen")):
            done = wiremill("run", "--stages", stages, sample_files()[0])
            self.assertEqual((done.returncode, done.stdout), (78, b""), done.stderr)
            self.assertIn(words, done.stderr)

    def test_explain(self):
        pitch = "The Lantern is read by forty thousand people, and every one of them keeps it burning."
        documents = []
        for number in range(1, 4):
            story = "".join(
                f"<p>Boat {number}-{part} left the harbour at noon, and on the quay of town {number * 7 + part}, "
                f"people waved at it for an hour.</p>" for part in range(3))
            documents.append({"source": "lantern.example", "content_type": "text/html",
                              "body": "<nav><a href='/'>Home page</a></nav><article>"
                                      f"<h1>Boat {number} leaves</h1>"
                                      f"{story}<p>{pitch}</p></article><footer>The end</footer>"})
        path = write_jsonl(self.folder / "pages.jsonl", documents)
        # Furniture, then what the third document has shown.
        for stages in ("clean", "clean,language,summary"):
            results = lines_of(wiremill("run", "--stages", stages, "--format", "json", "--explain", path))
            for number, result in enumerate(results, 1):
                removed = result["extensions"]["wiremill.clean"]["removed"]
                self.assertIn({"reason": "element", "line": "Home page"}, removed)
                self.assertIn({"reason": "element", "line": "The end"}, removed)
                self.assertEqual({"reason": "memory", "line": pitch} in removed, number == 3)
                self.assertEqual(pitch in result["text"], number < 3)
                # Sentences are made of the text as settle left it.
                text = result["text"].encode()
                self.assertEqual(result["sentences"][-1]["end"], len(text))
                self.assertEqual(" ".join(text[each["begin"]:each["end"]].decode()
                                          for each in result["sentences"]),
                                 result["text"].replace("\n", " "))
        shown = wiremill("run", "--stages", "clean", "--explain", path).stdout.decode()
        self.assertIn("        - element     Home page\n", shown)
        self.assertEqual(shown.count("        - memory      The Lantern is read"), 1)
        self.assertNotIn("removed", shown)
        plain = wiremill("run", "--stages", "clean", "--format", "json", path).stdout
        self.assertNotIn(b"removed", plain)
        none = wiremill("run", "--stages", "language", "--explain", path)
        self.assertEqual((none.returncode, none.stdout), (78, b""))
        self.assertIn(b"no stage of the line has an option 'explain'", none.stderr)

    def test_timings(self):
        result = lines_of(wiremill("run", "--format", "json", "--timings", sample_files()[0]))[0]
        self.assert_contract(result)
        self.assertEqual([each["stage"] for each in result["timings"]],
                         ["clean", "language", "entities", "duplicates", "summary"])
        self.assertGreater(sum(each["process_us"] for each in result["timings"]), 0)

    def test_pretty(self):
        done = wiremill("run", *sample_files())
        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"\x1b", done.stdout, "no colour where it is piped")
        text = done.stdout.decode()
        self.assertIn("Four river states agree to share water data", text)
        self.assertRegex(text, r"EXACT duplicate of \S*08-opera-house-roof.txt")

    def test_colour_on_a_terminal_only(self):
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            self.assertEqual(b"\x1b[" in self.on_a_terminal(environment), coloured)

    def on_a_terminal(self, environment):
        child, terminal = pty.fork()
        if child == 0:
            variables = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
            os.execve(WIREMILL, [WIREMILL, "run", str(sample_files()[0])],
                      {**variables, **environment})
        shown = b""
        try:
            while chunk := os.read(terminal, 65536):
                shown += chunk
        except OSError:
            pass  # Linux says so when the other side is closed
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertIn(b"Four river states", shown)
        return shown

    def test_hostile_titles_do_not_reach_the_terminal(self):
        done = wiremill("run", "--input", "jsonl", "-", stdin=json.dumps(
            {"title": "\x1b]0;owned\x07 a\rb", "body": "x \x1b[2J"}).encode())
        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"\x1b", done.stdout)
        self.assertNotIn(b"\r", done.stdout)

    def test_exit_codes(self):
        self.assertEqual(wiremill("--help").returncode, 0)
        for arguments in ([], ["run"], ["run", "--threads", "0", "x"], ["run", "--format", "xml", "x"],
                          ["fly"], ["run", "--input", "pdf", "x"], ["tail", "--since", "never"]):
            with self.subTest(arguments):
                self.assertEqual(wiremill(*arguments).returncode, 64)
        broken = self.folder / "broken.yaml"
        broken.write_text("stages: 5\n")
        self.assertEqual(wiremill("run", "--config", broken, sample_files()[0]).returncode, 78)
        self.assertEqual(wiremill("validate", broken).returncode, 78)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WIREMILL, "run", sample_files()[0]], stdout=full,
                                  stderr=subprocess.PIPE, timeout=HANG_S, check=False)
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn(b"No space left", done.stderr)


if __name__ == "__main__":
    unittest.main()
