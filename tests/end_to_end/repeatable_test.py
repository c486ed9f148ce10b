"""The same documents in the same order give the same bytes, in the daemon too."""
import unittest

from harness import ARTICLES, EndToEndTest, article, document, replay_all, wiremill

STAGES = ("clean", "language", "entities", "duplicates", "summary")


def documents():
    """All sample articles, then synthetic ones with copies among them, then the articles again."""
    files = sorted(path for path in ARTICLES.iterdir() if path.name[:2].isdigit())
    samples = [(path.name, path.read_bytes()) for path in files]
    made = [(f"made-{i}", article(i - i % 3, 8).encode()) for i in range(300)]
    again = [(f"again-{name}", body) for name, body in samples]
    return [document(id=name, source="repeatable.example", body=body,
                     content_type="text/html" if name.endswith(".html") else "")
            for name, body in samples + made + again]


class RepeatableTest(EndToEndTest):
    def outcome(self, threads, batch, in_steps, isolation="thread"):
        daemon = self.daemon({"pipeline": {"threads": threads, "batch_documents_max": batch},
                              "stages": [{"name": name, "isolation": isolation} for name in STAGES]})
        pushed = documents()
        if in_steps:  # other batches: each bare message is on disk before the next one
            client = self.intake(daemon)
            for each in pushed:
                client.bare("application/x-protobuf", each)
        else:
            self.intake(daemon).push(pushed)
        raw = self.subscriber(daemon).results(len(pushed))
        self.assertEqual(replay_all(daemon.replay), raw)
        lines = wiremill("tail", "--replay", daemon.replay, "--since", "first", "--no-follow",
                         "--format", "json")
        self.assertEqual(lines.returncode, 0, lines.stderr)
        self.assertEqual(daemon.stop(), 0)
        return raw, lines.stdout.splitlines()

    def test_two_fresh_daemons(self):
        first_raw, first_lines = self.outcome(threads=2, batch=32, in_steps=False)
        for variant in ((2, 32, False), (8, 5, True), (2, 32, False, "process")):
            raw, lines = self.outcome(*variant)
            for one, other in zip(first_lines, lines):
                self.assertEqual(one, other)
            self.assertTrue(raw == first_raw, "the Results' bytes differ")
            self.assertEqual(len(lines), len(first_lines))


if __name__ == "__main__":
    unittest.main()
