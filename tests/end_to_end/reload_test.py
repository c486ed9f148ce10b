"""A changed configuration taken up by a daemon that serves: `wiremill reload` and SIGHUP, with good
configurations and with broken ones, which all leave the line as it was."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import unittest

from harness import HANG_S, PROBE, EndToEndTest, document, wait_until, wiremill

FATAL = str(pathlib.Path(PROBE).with_name("fatal_probe.so"))  # dies of every document
NEWER = str(pathlib.Path(PROBE).with_name("newer_probe.so"))  # with another state_version


def probe(name="probe", **more):
    return {"name": name, "plugin": str(PROBE), **more}


class ReloadTest(EndToEndTest):
    def write(self, daemon, **changes):
        daemon.config_path.write_text(json.dumps({**daemon.config, **changes}))

    def reload(self, daemon, exit_code=0):
        """What `wiremill reload --format json` says."""
        done = wiremill("reload", "--admin", daemon.admin, "--format", "json")
        self.assertEqual(done.returncode, exit_code, (done.stdout, done.stderr))
        return json.loads(done.stdout)

    def refused(self, daemon, *words, **changes):
        """Each of `words` stands in an error of its own."""
        self.write(daemon, **changes)
        errors = [f"{each['where']}: {each['message']}" for each in self.reload(daemon, 78)["errors"]]
        for word in words:
            self.assertTrue(any(word in error for error in errors), (word, errors))
        return errors

    def push(self, daemon, bodies, client):
        """Answers the results of those."""
        accepted = self.intake(daemon, client=client).push(
            [document(id=f"{client}-{i}", source="s", body=body) for i, body in enumerate(bodies)])
        first = accepted[0].sequence
        return self.results(daemon, first + len(bodies) - 1)[first - 1:]

    def count(self, result, stage="test.probe"):
        """How many documents of its source the stage remembers."""
        return json.loads(result.extensions[0].json)["count"]

    def test_new_stages_serve_and_old_ones_keep_what_they_remember(self):
        daemon = self.daemon({"stages": [probe()]})
        before = self.push(daemon, ["one", "two", "three"], "a")
        self.assertEqual([self.count(each) for each in before], [1, 2, 3])
        self.write(daemon, stages=[probe("other"), probe()])
        answer = self.reload(daemon)
        self.assertEqual(answer, {"first_sequence": 4, "stages": ["other", "probe"]})
        after = self.push(daemon, ["four"], "b")
        self.assertEqual(self.count(after[0]), 4, "the last stage's word, by its name")
        self.assertEqual([each["name"] for each in daemon.api("/api/status")["pipeline"]["stages"]],
                         ["other", "probe"])
        # A stage that is gone for a while, and a restart meanwhile.
        self.write(daemon, stages=[probe("other")])
        self.assertEqual(self.reload(daemon)["first_sequence"], 5)
        self.assertEqual(self.count(self.push(daemon, ["five"], "c")[0]), 2)
        daemon.kill()
        daemon.start()
        self.write(daemon, stages=[probe()])
        self.assertEqual(self.reload(daemon)["first_sequence"], 6)
        self.assertEqual(self.count(self.push(daemon, ["six"], "d")[0]), 5)
        self.assertEqual(daemon.stop(), 0)

    def test_metrics_and_status_tell_of_reloads(self):
        daemon = self.daemon({"stages": [probe()]})
        self.push(daemon, ["one", "two"], "a")
        self.reload(daemon)
        self.refused(daemon, "no plugin 'absent'", stages=[{"name": "absent"}])
        metrics = daemon.metrics()
        self.assertEqual(metrics['wiremill_reloads_total{outcome="done"}'], 1)
        self.assertEqual(metrics['wiremill_reloads_total{outcome="refused"}'], 1)
        self.assertEqual(metrics['wiremill_stage_events_total{stage="probe",event="processed"}'], 2,
                         "counters go on")
        configuration = daemon.api("/api/status")["configuration"]
        self.assertEqual((configuration["reloads_done"], configuration["reloads_refused"]), (1, 1))
        said = wiremill("status", "--admin", daemon.admin).stdout.decode()
        self.assertIn("1 reloads done, 1 refused", said)

    def test_gauges_and_histograms_go_on(self):
        daemon = self.daemon({"stages": [probe()]})
        self.push(daemon, ["measure 3"], "a")  # one by one: two workers might take them the other way round
        self.push(daemon, ["measure 0.5"], "b")
        self.reload(daemon)
        gauge, values = ('wiremill_stage_last_value{stage="probe"}',
                         'wiremill_stage_values_%s{stage="probe"}')
        metrics = daemon.metrics()
        self.assertEqual((metrics[gauge], metrics[values % "count"]), (0.5, 2))
        self.push(daemon, ["measure 7"], "c")
        metrics = daemon.metrics()
        self.assertEqual((metrics[gauge], metrics[values % "count"], metrics[values % "sum"]),
                         (7, 3, 10.5))

    def test_what_is_wrong_is_refused_and_the_line_goes_on(self):
        daemon = self.daemon({"stages": [probe()]})
        self.push(daemon, ["one"], "a")
        self.refused(daemon, "intake.credit: is not what", "storage.segment_bytes: is not what",
                     "no plugin 'absent'", "no_such",
                     intake={**daemon.config["intake"], "credit": 99},
                     storage={**daemon.config["storage"], "segment_bytes": "8MiB"},
                     stages=[{"name": "absent"}, probe(options={"no_such": 1})])
        self.refused(daemon, "refused by the test", stages=[probe(options={"refuse": "refused by the test"})])
        self.refused(daemon, "stages[0] has no name", "no plugin 'absent'",
                     stages=[{"plugin": "clean"}, {"name": "absent"}])
        self.refused(daemon, "stands before 'language'", stages=[{"name": "summary"}, {"name": "language"}])
        daemon.config_path.write_text("")
        self.assertIn("are not there any more", self.reload(daemon, 78)["errors"][0]["message"])
        daemon.config_path.write_text("stages: [")
        self.assertEqual(len(self.reload(daemon, 78)["errors"]), 1)
        daemon.config_path.unlink()
        self.assertIn("cannot be read", self.reload(daemon, 78)["errors"][0]["message"])
        shown = wiremill("reload", "--admin", daemon.admin)
        self.assertEqual(shown.returncode, 78)
        self.assertIn("wiremill.yaml: cannot be read", shown.stderr.decode())
        self.assertIn("the reload was refused, 1 error", shown.stderr.decode())
        self.assertEqual(self.count(self.push(daemon, ["two"], "b")[0]), 2)

    def test_a_plugin_that_crashes_or_fails_on_real_documents_is_refused(self):
        daemon = self.daemon({"stages": [{"name": "language"}]})
        self.push(daemon, ["plain text", "die by abort", "throw"], "a")
        errors = self.refused(daemon, "stage 'probe' died in the trial on 1 of 3 documents: CRASHED",
                              stages=[{"name": "language"}, probe()])
        self.assertEqual(len(errors), 1)
        daemon = self.daemon({"stages": [{"name": "language"}]})
        self.push(daemon, ["throw", "throw"], "a")
        self.refused(daemon, "stage 'probe' failed in the trial on each of 2 documents",
                     "thrown in process", stages=[{"name": "language"}, probe()])
        # One that takes some of them serves, and so does one whose errors are skipped.
        self.write(daemon, stages=[{"name": "language"}, probe(on_error="skip")])
        self.reload(daemon)
        self.push(daemon, ["fine"], "b")
        self.write(daemon, stages=[{"name": "language"}, probe()])
        self.reload(daemon)

    def test_a_stage_that_is_left_out_where_it_dies_serves_as_long_as_something_comes_through(self):
        daemon = self.daemon({"stages": []})
        self.push(daemon, ["die by abort", "die by abort"], "a")
        skipping = probe(on_error="skip")
        self.refused(daemon, "stage 'probe' died in the trial on 2 of 2 documents: CRASHED",
                     stages=[skipping])
        self.push(daemon, ["plain text"], "b")
        self.write(daemon, stages=[skipping])
        self.reload(daemon)

    def test_where_there_are_no_documents_yet_built_in_ones_are_tried(self):
        daemon = self.daemon({"stages": []})
        self.refused(daemon, "stage 'fatal' died in the trial on 4 of 4 documents: CRASHED",
                     stages=[{"name": "fatal", "plugin": FATAL}])
        self.write(daemon, stages=[probe()])
        self.reload(daemon)

    def test_state_of_another_version_is_refused_by_a_reload_and_by_a_start(self):
        daemon = self.daemon({"stages": [probe()]})
        self.push(daemon, ["one"], "a")
        newer = {"name": "probe", "plugin": NEWER}
        self.refused(daemon, "state in version 2, but what is stored under its name has version 1",
                     stages=[newer])
        self.assertEqual(daemon.stop(), 0)
        daemon.launch()
        self.assertEqual(daemon.wait(), 78)
        self.assertTrue(daemon.logged("stage 'probe' keeps its state in version 2"))
        self.write(daemon, stages=[{**newer, "name": "other"}])
        daemon.start()
        self.assertEqual(self.count(self.push(daemon, ["two"], "b")[0]), 1)

    def test_sighup_does_the_same(self):
        daemon = self.daemon({"stages": [probe()]})
        self.write(daemon, stages=[probe(), probe("second")])
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.logged("reload: done"), "the reload")
        self.write(daemon, stages=[{"name": "absent"}])
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.logged("reload: refused, 1 error"), "the refusal")
        self.assertTrue(daemon.logged("no plugin 'absent'"))
        self.assertEqual(len(daemon.api("/api/status")["pipeline"]["stages"]), 2)
        self.write(daemon, log={"level": "error"}, stages=[])
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: not daemon.api("/api/status")["pipeline"]["stages"], "no stages")
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(daemon.logged("stopped:"), "log.level has changed")

    def test_a_replaced_plugin_file_serves(self):
        """In the daemon and in a process of its own, also where nothing else has changed."""
        path = self.folder / "swapped.so"
        shutil.copy(PROBE, path)
        for isolation in ("thread", "process"):
            daemon = self.daemon({"stages": [{"name": "swapped", "plugin": str(path),
                                              "isolation": isolation}]})
            self.push(daemon, ["one"], "a")
            before = self.mapped(daemon)
            shutil.copy(PROBE, self.folder / "new.so")
            os.rename(self.folder / "new.so", path)
            self.reload(daemon)
            self.assertEqual(self.count(self.push(daemon, ["two"], "b")[0]), 2)
            self.assertEqual(self.mapped(daemon) - before, 1 if isolation == "thread" else 0)
            self.reload(daemon)
            self.assertEqual(self.mapped(daemon) - before, 1 if isolation == "thread" else 0,
                             "the same file is not loaded again")
            self.assertEqual(daemon.stop(), 0)

    def mapped(self, daemon):
        """How many copies of the plugin the daemon has mapped."""
        with open(f"/proc/{daemon.process.pid}/maps") as maps:
            return len({line.split()[4] for line in maps if "swapped.so" in line})

    def test_a_drain_ends_the_trial_and_answers_whoever_waits(self):
        daemon = self.daemon({"stages": []})
        self.push(daemon, ["very slow"] * 25, "a")  # most of a minute in the trial
        self.write(daemon, stages=[probe()])
        asked = self.ask(daemon)
        wait_until(lambda: self.children(daemon), "the trial")
        waits = self.ask(daemon)
        daemon.api("/api/status")  # it has come, as it was sent before this
        self.assertEqual(daemon.stop(), 0)
        for each in (asked, waits):
            status, answer = self.heard(each)
            self.assertEqual((status, answer["errors"]),
                             (422, [{"where": "daemon", "message": "it is stopping"}]))
        self.assertFalse(daemon.logged("drain timeout"))
        daemon.start()
        self.assertEqual(self.count(self.push(daemon, ["one"], "b")[0]), 1)

    def children(self, daemon):
        found = []
        for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # the thread has ended
                found += (task / "children").read_text().split()
        return found

    def ask(self, daemon):
        """A reload that is asked for, and not heard of yet."""
        connection = http.client.HTTPConnection(daemon.admin.removeprefix("tcp://"), timeout=HANG_S)
        self.addCleanup(connection.close)
        connection.request("POST", "/api/reload", headers={"X-Wiremill": "1"})
        return connection

    def heard(self, asked):
        answer = asked.getresponse()
        return answer.status, json.loads(answer.read())

    def in_a_trial(self):
        """A daemon whose reload is in its trial, and who has asked for it."""
        daemon = self.daemon({"stages": []})
        self.push(daemon, ["slow"] * 10, "a")
        self.write(daemon, stages=[probe()])
        asked = self.ask(daemon)
        wait_until(lambda: self.children(daemon), "the trial")
        return daemon, asked

    def test_all_who_ask_while_one_runs_are_answered_by_one_more(self):
        daemon, first = self.in_a_trial()
        self.write(daemon, stages=[{"name": "language"}])
        waiting = [self.ask(daemon) for _ in range(3)]
        for _ in range(3):
            daemon.signal(signal.SIGHUP)
        daemon.api("/api/status")  # all of that has come, as it was sent before
        self.assertEqual(self.heard(first)[1]["stages"], ["probe"])
        for each in waiting:
            self.assertEqual(self.heard(each)[1]["stages"], ["language"])
        self.reload(daemon)
        self.assertEqual(daemon.api("/api/status")["configuration"]["reloads_done"], 3)

    def test_what_nobody_waits_for_is_not_begun(self):
        daemon, first = self.in_a_trial()
        waiting = [self.ask(daemon) for _ in range(3)]
        daemon.api("/api/status")
        for each in waiting:
            each.close()
        self.assertEqual(self.heard(first)[0], 200)
        wait_until(lambda: daemon.logged("reload: not begun"), "the next one's turn")
        self.assertEqual(daemon.api("/api/status")["configuration"]["reloads_done"], 1)
        self.reload(daemon)
        self.assertEqual(daemon.api("/api/status")["configuration"]["reloads_done"], 2)

    def test_the_service_manager_hears_of_it(self):
        path = str(self.folder / "notify")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(path)
        listener.settimeout(HANG_S)
        self.addCleanup(listener.close)
        daemon = self.daemon({"stages": []}, start=False)
        daemon.start({"NOTIFY_SOCKET": path})
        self.reload(daemon)
        said = []
        while said.count("READY=1") < 2:
            said += [line for line in listener.recv(4096).decode().splitlines()
                     if not line.startswith("STATUS")]
        self.assertEqual(said, ["READY=1", "RELOADING=1", "READY=1"])


if __name__ == "__main__":
    unittest.main()
