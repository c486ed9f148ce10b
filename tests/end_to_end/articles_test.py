"""What the default stages make of the sample articles, of the held-out pages and of the texts in
../shared/samples, pushed by `wiremill push` through a real daemon.

Each miss is printed, so that a falling figure shows what fell. The least shares are what was measured
in November 2026 less a small margin.
"""
import json
import os
import pathlib
import unittest

from wiremill.v1 import document_pb2

from harness import ARTICLES, HELD_OUT, SOURCE, EndToEndTest, Result, wiremill, write_jsonl

Duplicate = document_pb2.Duplicate
SAMPLES = pathlib.Path(os.environ.get("WIREMILL_SHARED", SOURCE.parent / "shared")) / "samples"

LEAST = {"title": 0.93, "must_contain": 0.98, "must_not_contain": 0.98, "people": 0.97}


class Tally:
    """Hits and misses of one kind."""

    def __init__(self, name):
        self.name, self.hits, self.misses = name, 0, []

    def count(self, hit, miss):
        if hit:
            self.hits += 1
        else:
            self.misses.append(miss)

    def share(self):
        return self.hits / max(1, self.hits + len(self.misses))

    def show(self):
        print(f"\n{self.name}: {self.hits} of {self.hits + len(self.misses)}"
              f" ({100 * self.share():.1f} %)", *self.misses, sep="\n    ", flush=True)


def flat(text):
    return " ".join(text.split())


class QualityTest(EndToEndTest):
    def outcome(self, folder):
        """(expected row, Result) of each file, pushed in the order of their names."""
        rows = [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]
        daemon = self.daemon()
        for row in rows:
            done = wiremill("push", "--intake", daemon.intake, "--source", row["source"],
                            folder / row["file"])
            self.assertEqual(done.returncode, 0, done.stderr)
        pairs = list(zip(rows, self.results(daemon, len(rows))))
        for row, result in pairs:
            self.assertEqual(pathlib.Path(result.id).name, row["file"])
            self.assertEqual(result.status, Result.PROCESSED, result.failure)
        lines = wiremill("tail", "--replay", daemon.replay, "--since", "first", "--no-follow",
                         "--format", "json").stdout
        self.assertEqual(len(lines.decode("utf-8", errors="strict").splitlines()), len(rows))
        self.assertEqual(daemon.stop(), 0)
        return pairs

    def tallies(self, pairs):
        tallies = {name: Tally(name) for name in LEAST}
        for row, result in pairs:
            file = row["file"]
            if row["title"] is not None:
                tallies["title"].count(flat(result.title) == flat(row["title"]),
                                       f"{file}: {result.title!r}, not {row['title']!r}")
            text = flat(result.text)
            for phrase in row["must_contain"]:
                tallies["must_contain"].count(flat(phrase) in text, f"{file}: {phrase}")
            for phrase in row["must_not_contain"]:
                tallies["must_not_contain"].count(flat(phrase) not in text, f"{file}: {phrase}")
            people = {flat(each.name) for each in result.entities if each.type == "PER"}
            for name in row.get("people", []):
                tallies["people"].count(name in people, f"{file}: {name} not in {sorted(people)}")
        for tally in tallies.values():
            tally.show()
        return tallies

    def test_sample_articles(self):
        pairs = self.outcome(ARTICLES)
        self.assertEqual({row["file"]: result.language.code for row, result in pairs},
                         {row["file"]: row["language"] for row, _ in pairs})
        # A near copy that differs only in what `clean` takes off is an exact one of the story.
        kinds = {"exact": {Duplicate.EXACT}, "near": {Duplicate.NEAR, Duplicate.EXACT}}
        for row, result in pairs:
            with self.subTest(row["file"]):
                self.assertIn(result.duplicate.kind, kinds.get(row["kind"], {Duplicate.NONE}))
                self.assertEqual(pathlib.Path(result.duplicate.of).name, row["of"] or "")
                if row["kind"] == "empty":
                    self.assertEqual((result.text, result.summary.text), ("", ""))
                else:
                    self.assertIn(len(result.summary.sentences), (1, 2, 3))
                if row["kind"] == "invalid_utf8":
                    self.assertNotEqual(result.text, "")
                if row["published"] is not None:
                    self.assertTrue(result.HasField("published_us"))
        for name, tally in self.tallies(pairs).items():
            self.assertGreaterEqual(tally.share(), LEAST[name], name)

    def test_held_out_pages(self):
        """Only printed: nothing is fitted to them, a threshold would be."""
        pairs = self.outcome(HELD_OUT)
        self.assertEqual({result.language.code for _, result in pairs}, {"en"})
        self.tallies(pairs)


@unittest.skipUnless(SAMPLES.is_dir(), "no ../shared/samples here")
class SharedSamplesTest(EndToEndTest):
    def test_by_general_means(self):
        """The texts are others' and not known here: what can be said of any such page is checked."""
        files = sorted(SAMPLES.glob("*_*.txt"))
        documents = [{"id": path.name, "body": path.read_text()} for path in files]
        done = wiremill("run", "--format", "json",
                        write_jsonl(self.folder / "samples.jsonl", documents))
        self.assertEqual(done.returncode, 0, done.stderr)
        for document, line in zip(documents, done.stdout.splitlines()):
            with self.subTest(document["id"]):
                self.check(document["body"], json.loads(line))

    def check(self, body, result):
        self.assertEqual(result["language"]["code"], "en")
        lines = [flat(line) for line in body.splitlines() if line.strip()]
        # The title is words of the page's head: a whole line, or the end of one that begins with a date.
        title = flat(result["title"])
        self.assertGreaterEqual(len(title.split()), 5)
        self.assertTrue(any(line.endswith(title) for line in lines[:6]), title)
        # Furniture is short lines without a full stop at either end of the page.
        text = [flat(line) for line in result["text"].splitlines()]
        for line in (text[0], text[-1]):
            self.assertGreaterEqual(len(line.split()), 8, line)
            self.assertRegex(line, r"[.!?…]['\"”’)]*$")
        for line in text:
            self.assertNotRegex(line, r"^(Share|Home|Contact|Print|Editor|Source|Click|Follow)\b.{0,30}$")
        # And the article is all there: every long line of the page.
        for line in lines:
            if len(line.split()) >= 25:
                self.assertIn(line[-60:], flat(result["text"]))
        people = [each["name"] for each in result["entities"] if each["type"] == "PER"]
        self.assertGreaterEqual(len([name for name in people if " " in name]), 6, people)
        print(f"\n{result['id']}\n  title: {title}\n  people: {people}\n  first: {text[0][:90]}"
              f"\n  last: {text[-1][-90:]}", flush=True)


if __name__ == "__main__":
    unittest.main()
