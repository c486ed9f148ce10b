"""`when:` and `on_error: skip`, by `wiremill run` and by a daemon."""
import json
import unittest

from harness import ARTICLES, PROBE, EndToEndTest, Result, document, replay_all, wiremill

STAGES = [{"name": "clean"}, {"name": "language"},
          {"name": "entities", "when": 'language == "en"'},
          {"name": "duplicates", "when": 'language in ["de", "fr"] or attributes.desk == "copies"'},
          {"name": "summary", "when": 'not (language == "en" and entities.count >= 3)'}]


def sample_files():
    return sorted(path for path in ARTICLES.iterdir() if path.name[:2].isdigit())


class ConditionTest(EndToEndTest):
    def config(self, stages):
        path = self.folder / "conditions.yaml"
        path.write_text(json.dumps({"stages": stages}))
        return path

    def assert_left_out(self, results):
        """The stages ran for the documents of their condition and for no others."""
        seen = set()
        for result in results:
            language = result["language"]["code"]
            self.assertEqual("entities" in result, language == "en", result["id"])
            self.assertEqual("duplicate" in result, language in ("de", "fr"), result["id"])
            few = len(result.get("entities", [])) < 3
            self.assertEqual("summary" in result, language != "en" or few, result["id"])
            seen.add((language == "en", language in ("de", "fr"), few))
        self.assertGreaterEqual(len(seen), 3, "the articles show all cases")

    def test_stages_run_for_the_documents_of_their_condition(self):
        config = self.config(STAGES)
        outputs = []
        for threads in ("1", "8"):
            done = wiremill("run", "--config", config, "--format", "json", "--threads", threads,
                            *sample_files())
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            outputs.append(done.stdout)
        self.assertTrue(outputs[0] == outputs[1], "threads differ")
        results = [json.loads(line) for line in outputs[0].splitlines()]
        self.assertEqual(len(results), len(sample_files()))
        self.assert_left_out(results)
        pretty = wiremill("run", "--config", config, *sample_files())
        self.assertEqual((pretty.returncode, pretty.stderr), (0, b""))

    def test_a_daemon_does_the_same(self):
        daemon = self.daemon({"stages": STAGES})
        done = wiremill("push", "--intake", daemon.intake, *sample_files())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.results(daemon, len(sample_files()))
        lines = wiremill("tail", "--replay", daemon.replay, "--since", "first", "--no-follow",
                         "--format", "json").stdout.splitlines()
        self.assertEqual(len(lines), len(sample_files()))
        self.assert_left_out([json.loads(line) for line in lines])
        self.assertEqual(daemon.stop(), 0)

    def test_skipped_errors(self):
        stages = [{"name": "probe", "plugin": PROBE, "attempts_max": 2, "on_error": "skip",
                   "when": 'source != "spared"'}]
        bodies = ["fine", "bad", "throw", "throw in settle", "drop", "fine"]
        daemon = self.daemon({"stages": stages})
        self.intake(daemon).push([document(id=f"d-{i}", source="s", body=body)
                                  for i, body in enumerate(bodies)] +
                                 [document(id="spared", source="spared", body="throw")])
        results = self.results(daemon, 7)
        self.assertEqual([Result.Status.Name(each.status) for each in results],
                         ["PROCESSED"] * 4 + ["DROPPED"] + ["PROCESSED"] * 2)
        self.assertEqual([bool(each.byline) for each in results],
                         [True, False, False, False, False, True, False])
        for skipped in (*results[1:4], results[6]):
            self.assertFalse(skipped.HasField("failure"))
            self.assertEqual(list(skipped.extensions), [])
            self.assertNotIn(Result.BYLINE, skipped.provided)
        self.assertEqual(json.loads(results[5].extensions[0].json)["count"], 2)
        self.assertEqual(daemon.metrics()['wiremill_stage_errors_skipped_total{stage="probe"}'], 3)
        self.assertEqual(daemon.metrics()["wiremill_documents_dead_total"], 0)
        skipped = [line for line in daemon.log() if "skipped for document" in line["message"]]
        self.assertEqual(len(skipped), 1, skipped)
        self.assertIn("UNREADABLE: the body says so", skipped[0]["message"])
        before = replay_all(daemon.replay)
        daemon.kill()
        daemon.start()
        self.assertEqual(replay_all(daemon.replay), before)
        self.intake(daemon).push([document(id="after", source="s", body="fine")])
        after = self.results(daemon, 8)[7]
        self.assertEqual(json.loads(after.extensions[0].json)["count"], 3, "state of the others only")
        self.assertEqual(daemon.stop(), 0)

    def test_validate_names_the_place(self):
        path = self.folder / "wrong.yaml"
        path.write_text("""stages:
  - name: clean
    when: language == "en"
  - name: language
    when: source == "Ä" and text.bytes < "10"
  - name: entities
    when: summary.text != ""
  - name: summary
    when: title contains "a #b"
    on_error: never
""")
        wrong = wiremill("validate", path).stderr.decode().splitlines()
        self.assertEqual(wrong, [
            f"{path}:10:15: stages[3].on_error: unknown value 'never'; known: dead_letter, skip",
            f"{path}:5:11: stage 'language': when, character 32: 'text.bytes' is a number and cannot "
            "be compared with \"10\", a text",
            f"{path}:9:11: stage 'summary': when, character 16: this text has no closing \" (YAML "
            "ends a plain value before ' #': put the condition in single quotes)"])
        path.write_text("""stages:
  - name: clean
    when: language == "en"
  - name: language
  - name: entities
    when: source != "x" and duplicate == "NONE"
""")
        order = wiremill("validate", path)
        self.assertEqual(order.returncode, 78)
        self.assertEqual(order.stderr.decode().splitlines(), [
            f"{path}:3:11: stage 'clean': when, character 1: 'language' is known only behind stage "
            "'language', which stands later",
            f"{path}:6:11: stage 'entities': when, character 19: 'duplicate' is known only behind a "
            "stage that provides it, and none stands before this one"])
        self.assertEqual(wiremill("run", "--config", path, sample_files()[0]).returncode, 78)
        right = wiremill("validate", self.config(STAGES))
        self.assertEqual(right.returncode, 0, right.stderr)


if __name__ == "__main__":
    unittest.main()
