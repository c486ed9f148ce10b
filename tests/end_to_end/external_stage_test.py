"""Stages that are programs, in a daemon: the example, and one that does all that it should not."""
import shutil

from harness import SOURCE, EndToEndTest, Result, document, wiremill

EXAMPLE = SOURCE / "clients" / "python" / "example_stage.py"
PROBE = SOURCE / "daemon" / "pipeline" / "probe_program.py"
POISON = {"die by abort": ("CRASHED", "SIGABRT"),
          "die with words": ("CRASHED", "its last words: the last words"),
          "hang": ("DEADLINE", "ran for more than 3000 ms"),
          "die by memory": ("MEMORY", "over its limit of 128 MiB"),
          "print raw": ("PROTOCOL", "no message: 'Hello"),
          "throw": ("EXCEPTION", "ValueError: thrown"),
          "die in settle": ("CRASHED", "SIGABRT")}


class ExternalStageTest(EndToEndTest):
    def push(self, daemon, *documents):
        self.intake(daemon).push([document(source=source, body=body) for source, body in documents])

    def extensions(self, results):
        return [[each.json for each in result.extensions] for result in results]

    def test_the_example_keeps_its_state(self):
        daemon = self.daemon({"stages": [
            {"name": "numbered", "command": ["/usr/bin/python3", str(EXAMPLE)],
             "options": {"words_min": 2}}]})
        self.push(daemon, ("a", "Rain fell."), ("b", "Snow fell too."), ("a", "Short."))
        results = self.results(daemon, 3)
        self.assertEqual(self.extensions(results), [['{"number":1,"words":2}'],
                                                    ['{"number":1,"words":3}'], []])
        self.assertEqual((results[2].status, results[2].failure.code, results[2].failure.message),
                         (Result.DROPPED, "TOO_SHORT", "1 words"))
        daemon.kill()
        daemon.start()
        self.push(daemon, ("a", "Then the sun came."))
        self.assertEqual(self.extensions(self.results(daemon, 4)[3:]), [['{"number":2,"words":4}']])
        self.assertEqual(daemon.stop(), 0)

    def test_the_example_of_the_page_is_the_example(self):
        page = (SOURCE / "docs" / "external-stage.md").read_text()
        code = page.split("```python\n")[1].split("```")[0]
        self.assertTrue(EXAMPLE.read_text().endswith(code))

    def test_poison_costs_its_own_document(self):
        # A relative name: the program runs in the folder of the configuration.
        daemon = self.daemon({"log": {"format": "json"}, "stages": [
            {"name": "probe", "command": ["/usr/bin/python3", "probe_program.py"],
             "deadline": "3s", "memory_bytes_max": "128MiB"}]}, start=False)
        shutil.copy(PROBE, daemon.folder)
        daemon.start()
        pid = daemon.process.pid
        self.push(daemon, *[("s", body) for poison in POISON for body in ("plain", poison)])
        results = self.results(daemon, 2 * len(POISON))
        for i, (poison, (code, message)) in enumerate(POISON.items()):
            plain, dead = results[2 * i:2 * i + 2]
            self.assertEqual(plain.status, Result.PROCESSED, plain.failure)
            self.assertEqual((dead.status, dead.failure.stage, dead.failure.code),
                             (Result.DEAD, "probe", code), (poison, dead.failure))
            self.assertIn(message, dead.failure.message)
        self.assertEqual(results[-2].extensions[0].json,
                         f'{{"count":{len(POISON)},"sources":["s={len(POISON)}"],"carried":true}}')
        self.assertEqual(daemon.process.pid, pid)
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(daemon.stop(), 0)

    def test_validate_asks_the_program(self):
        path = self.folder / "stages.yaml"

        def validate(*stage):
            path.write_text("stages:\n  - name: probe\n" + "".join(f"    {line}\n" for line in stage))
            done = wiremill("validate", path)
            return done.returncode, done.stderr.decode()

        program = f"command: [/usr/bin/python3, {PROBE}]"
        self.assertEqual(validate(program, "options: {patience: 1s}"), (0, ""))
        code, said = validate(program, "options: {patience: 1h}")
        self.assertEqual(code, 78)
        self.assertIn("stages.yaml:4:25: stage 'probe': option 'patience' must be from 1ms to 10s",
                      said)
        code, said = validate(program, "options: {refuse: no reason}")
        self.assertEqual((code, "stage 'probe': no reason" in said), (78, True), said)
        code, said = validate("command: [echo, Hello]")
        self.assertEqual(code, 78)
        self.assertIn("wrote to its standard output what is no message: 'Hello'", said)
