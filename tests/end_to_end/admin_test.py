"""The admin endpoint of a real daemon: metrics and the conservation law, health, the API, and the
commands that use it."""
import json
import shutil
import threading
import unittest

import zmq

from harness import (PROBE, SOURCE, EndToEndTest, Intake, article, document, wait_until, wiremill,
                     write_jsonl)

LAW = ("accepted_total", "processed_total", "dropped_total", "dead_total", "in_flight")


def law(metrics):
    return tuple(int(metrics[f"wiremill_documents_{term}"]) for term in LAW)


def is_quiet(metrics):
    accepted, processed, dropped, dead, in_flight = law(metrics)
    return in_flight == 0 and accepted == processed + dropped + dead


BODIES = ("fine", "drop", "bad", article(1), "skip")  # what the probe makes of them


class LawTest(EndToEndTest):
    STAGES = [{"name": "probe", "plugin": PROBE, "attempts_max": 1}]

    def documents(self, client, count):
        return [document(id=f"{client}-{i}", source=f"source {i % 7}",
                         body=BODIES[i % len(BODIES)]) for i in range(count)]

    def push(self, daemon, client, count):
        self.intake(daemon, client=client).push(self.documents(client, count))

    def check_quiet(self, daemon, total):
        metrics = wait_until(lambda: (found := daemon.metrics()) and is_quiet(found)
                             and law(found)[0] == total and found, "quiet")
        by_status = {name: sum(BODIES[i % len(BODIES)] == name for i in range(total))
                     for name in ("drop", "bad")}
        self.assertEqual(law(metrics), (total, total - by_status["drop"] - by_status["bad"],
                                        by_status["drop"], by_status["bad"], 0))
        return metrics

    def test_holds_under_load_and_over_kill_and_restart(self):
        daemon = self.daemon({"stages": self.STAGES, "pipeline": {"threads": 2}})
        scrapes, stop = [], threading.Event()

        def scrape():
            while not stop.is_set():
                scrapes.append(law(daemon.metrics()))
        scraping = threading.Thread(target=scrape)
        scraping.start()
        try:
            self.push(daemon, "a", 3000)
        finally:
            stop.set()
            scraping.join()
        self.assertGreater(len(scrapes), 1)
        for before, after in zip(scrapes, scrapes[1:]):
            self.assertTrue(all(a <= b for a, b in zip(before[:4], after[:4])), (before, after))
            # The terms are read one after the other, each where it is counted.
            self.assertLessEqual(sum(before[1:4]), after[0])
        self.check_quiet(daemon, 3000)
        for cycle in range(1, 4):
            killed = threading.Event()
            load = threading.Thread(target=self.push_until, args=(killed, daemon, cycle))
            load.start()
            wait_until(lambda: law(daemon.metrics())[0] > 3000 * cycle + 200, "load")
            daemon.kill()
            killed.set()
            load.join()
            daemon.start()
            self.push(daemon, f"cycle-{cycle}", 3000)  # what is known is a repeat
            self.check_quiet(daemon, 3000 * (cycle + 1))
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        metrics = self.check_quiet(daemon, 12_000)
        self.assertEqual(metrics['wiremill_log_durable_sequence{log="result"}'], 12_000)

    def push_until(self, killed, daemon, cycle):
        client = Intake(daemon.intake, client=f"cycle-{cycle}")
        client.socket.rcvtimeo = 100
        receive = client.receive

        def receive_unless_killed():
            while True:
                try:
                    return receive()
                except zmq.Again:
                    if killed.is_set():
                        raise
        client.receive = receive_unless_killed
        try:
            client.push(self.documents(f"cycle-{cycle}", 3000))
        except zmq.Again:
            pass
        client.close()


class StageMetricsTest(EndToEndTest):
    def test_gauges_and_histograms_of_a_process_a_plugin_and_a_program(self):
        program = SOURCE / "daemon" / "pipeline" / "probe_program.py"
        daemon = self.daemon({"stages": [
            {"name": "outside", "plugin": PROBE, "deadline": "60s"},
            {"name": "inside", "plugin": PROBE, "isolation": "thread"},
            {"name": "program", "command": ["/usr/bin/python3", str(program)]}]})
        self.intake(daemon).push([document(id=value, body=f"measure {value}")
                                  for value in ("0.3", "20", "1e12", "nan", "-1")])
        self.results(daemon, 5)
        text = daemon.http("GET", "/metrics")[1].decode()
        for kind, name in (("gauge", "last_value"), ("histogram", "values")):
            self.assertEqual(text.count(f"# TYPE wiremill_stage_{name} {kind}\n"), 1, text)
            self.assertEqual(text.count(f"# HELP wiremill_stage_{name} What the stages "), 1, text)
        metrics = daemon.metrics()
        for stage in ("outside", "inside", "program"):
            values = f'wiremill_stage_values_%s{{stage="{stage}"%s}}'
            buckets = {bound: metrics[values % ("bucket", f',le="{bound}"')]
                       for bound in ("1e-06", "0.2", "0.5", "10", "20", "1000000000", "+Inf")}
            self.assertEqual(list(buckets.values()), [0, 0, 1, 1, 2, 2, 3], buckets)
            self.assertEqual(metrics[values % ("count", "")], 3)
            self.assertAlmostEqual(metrics[values % ("sum", "")], 1e12 + 20.3, places=2)
            # Several workers may have taken the documents.
            self.assertIn(metrics[f'wiremill_stage_last_value{{stage="{stage}"}}'],
                          (0.3, 20, 1e12, -1))
        self.assertGreater(metrics['wiremill_stage_left_seconds{stage="outside"}'], 0)
        self.assertEqual(metrics['wiremill_stage_left_seconds{stage="inside"}'], -1e-6, "no deadline")
        self.assertEqual(daemon.stop(), 0)


class RetentionTest(EndToEndTest):
    def test_both_logs_let_go_of_what_is_old(self):
        daemon = self.daemon({"stages": [{"name": "probe", "plugin": PROBE}],
                              "storage": {"segment_bytes": "1MiB", "result_bytes_max": "2MiB"}})
        count = 85_000  # a segment and more past the 65,536 records of the intake's own recovery
        self.intake(daemon).push([document(id=f"{i}", body=f"body {i}") for i in range(count)])
        wait_until(lambda: (found := daemon.api("/api/status")["logs"])
                          and found["result"]["first"] > 1 and found["intake"]["first"] > 1
                          and found["result"]["bytes"] < 4 << 20, "old segments to go")
        for kill in (True, False):
            if kill:
                daemon.kill()
            else:
                self.assertEqual(daemon.stop(), 0)
            daemon.start()
            metrics = wait_until(lambda: (found := daemon.metrics()) and is_quiet(found) and found,
                                 "quiet")
            self.assertEqual(law(metrics), (count, count, 0, 0, 0))
            self.assertEqual(daemon.http("GET", f"/api/documents/{count}")[0], 200)
            status, body = daemon.http("GET", "/api/documents/1")
            self.assertEqual(status, 404)
            self.assertIn("nothing is kept of document 1", json.loads(body)["error"])
        # Who asks for what has gone is told of it, and goes on behind it.
        tail = wiremill("tail", "--replay", daemon.replay, "--since", "1", "--count", "1",
                        "--format", "json")
        self.assertEqual(tail.returncode, 0, tail.stderr)
        first = json.loads(tail.stdout)["sequence"]
        self.assertGreater(first, 1)
        self.assertIn(f"results 1 to {first - 1} are no longer kept", tail.stderr.decode())
        # Known still, though its record is gone.
        self.assertTrue(self.intake(daemon).push([document(id="0", body="body 0")])[0].repeat)


class EndpointsTest(EndToEndTest):
    def test_it_answers_while_the_daemon_recovers(self):
        daemon = self.daemon({"stages": []})
        self.intake(daemon).push([document(body=article(i)) for i in range(10_000)])
        self.results(daemon, 10_000)
        self.assertEqual(daemon.stop(), 0)
        shutil.rmtree(daemon.state / "state")  # to be rebuilt from the results
        daemon.launch()
        seen = []
        while "serving" not in seen:
            try:
                status, body = daemon.http("GET", "/readyz")
            except ConnectionError:
                continue
            seen.append(json.loads(body)["phase"])
            self.assertEqual(status, 200 if seen[-1] == "serving" else 503)
            if seen[-1] == "recovering" and "checked" not in seen:
                seen.insert(0, "checked")
                for path, expected in (("/healthz", (200,)), ("/metrics", (200,)),
                                       ("/api/status", (200,)), ("/api/dead", (200, 503))):
                    self.assertIn(daemon.http("GET", path)[0], expected)
        self.assertEqual(seen[:2], ["checked", "recovering"])

    def test_metrics_are_prometheus_text(self):
        daemon = self.daemon()
        self.intake(daemon).bare_json(body=article(1))
        self.results(daemon, 1)
        status, body = daemon.http("GET", "/metrics")
        self.assertEqual(status, 200)
        families = set()
        for line in body.decode().splitlines():
            if line.startswith("# TYPE "):
                families.add(line.split()[2])
            elif line and not line.startswith("#"):
                name = line.split("{")[0].split(" ")[0]
                self.assertIn(name, families)
                float(line.rsplit(" ", 1)[1])
        for name in families:
            self.assertRegex(name, r"^(wiremill|process)_[a-z_]+$")
        metrics = daemon.metrics()
        self.assertEqual(metrics['wiremill_intake_refused_total{code="TOO_LARGE"}'], 0)
        self.assertEqual(metrics['wiremill_log_writable{log="intake"}'], 1)
        self.assertGreater(metrics["process_resident_memory_bytes"], 1 << 20)
        self.assertGreater(metrics["process_open_fds"], 5)
        self.assertEqual(metrics["wiremill_ready"], 1)
        self.intake(daemon).bare("application/json", b"{")
        wait_until(lambda: daemon.metrics()['wiremill_intake_refused_total{code="MALFORMED"}'] == 1,
                   "a refusal")

    def test_health(self):
        daemon = self.daemon()
        self.assertEqual(daemon.http("GET", "/healthz")[0], 200)
        self.assertEqual(daemon.http("GET", "/readyz")[0], 200)
        self.assertEqual(json.loads(daemon.http("GET", "/readyz")[1]),
                         {"ready": True, "phase": "serving", "reasons": []})

    def test_not_ready_while_draining(self):
        """A stage that never comes to an end would hold the drain; here it is the drain's own wait."""
        daemon = self.daemon({"drain_timeout": "1h", "pipeline": {"threads": 1}})
        documents = [{"id": f"load-{i}", "body": article(i, 300)} for i in range(400)]
        path = write_jsonl(self.folder / "load.jsonl", documents)
        self.program("push", "--intake", daemon.intake, path)
        self.results(daemon, 3)
        daemon.signal(15)
        wait_until(lambda: daemon.logged("draining"), "the drain")
        status, body = daemon.http("GET", "/readyz")
        self.assertEqual((status, json.loads(body)["phase"]), (503, "draining"))
        self.assertEqual(daemon.http("GET", "/healthz")[0], 200)

    def test_held_for_space(self):
        """More is asked for than any disk has free: documents are refused, everything else goes on."""
        if shutil.disk_usage(self.folder).free > 1 << 40:
            self.skipTest("a disk with more space than can be asked for")
        daemon = self.daemon({"storage": {"free_bytes_min": "1TiB"}})
        answer = self.intake(daemon).bare_json(body="x")
        self.assertEqual(answer["nack"]["code"], "NO_SPACE", answer)
        status, body = daemon.http("GET", "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("1TiB", json.loads(body)["reasons"][0])
        self.assertEqual(daemon.http("GET", "/healthz")[0], 200)
        self.assertEqual(daemon.metrics()["wiremill_held_for_space"], 1)
        self.assertIn(b"held", wiremill("status", "--admin", daemon.admin).stdout)
        self.assertTrue(daemon.logged("documents are refused"))
        self.assertEqual(daemon.stop(), 0)

    def test_the_guard(self):
        daemon = self.daemon()
        body = json.dumps({"sequence": 0})
        for headers in ({}, {"X-Wiremill": "1", "Host": "evil.example:5754"},
                        {"X-Wiremill": "0", "Host": "localhost"}):
            with self.subTest(headers):
                self.assertEqual(daemon.http("PUT", "/api/cursors/x", body, headers)[0], 403)
        self.assertEqual(daemon.api("/api/cursors")["cursors"], [])

    def test_refusals(self):
        daemon = self.daemon()
        for method, path, expected in (("GET", "/", 404), ("GET", "/api/nothing", 404),
                                       ("POST", "/metrics", 405), ("DELETE", "/api/dead", 405),
                                       ("GET", "/api/documents/first", 400),
                                       ("GET", "/api/documents", 400),
                                       ("GET", "/api/documents/17", 404),
                                       ("GET", "/api/documents?id=unknown", 404),
                                       ("GET", "/api/dead?since=yesterday", 400),
                                       ("GET", "/api/dead?colour=red", 400),
                                       ("GET", "/api/dead/5", 404), ("GET", "/api/dead/5/body", 404),
                                       ("POST", "/api/dead/retry", 400),
                                       ("DELETE", "/api/cursors/unknown", 404)):
            with self.subTest(f"{method} {path}"):
                status, body = daemon.http(method, path)
                self.assertEqual(status, expected, body)
                self.assertTrue(json.loads(body)["error"])
        self.assertEqual(daemon.http("POST", "/api/dead/retry", b"x" * (2 << 20))[0], 413)


class CommandsTest(EndToEndTest):
    def asked(self, daemon, *arguments, expected=0):
        done = wiremill(*arguments, "--admin", daemon.admin)
        self.assertEqual(done.returncode, expected, done.stderr.decode())
        return done.stdout.decode()

    def test_status(self):
        daemon = self.daemon()
        self.intake(daemon, client="reporter").push([document(body=article(i)) for i in range(5)])
        self.results(daemon, 5)
        wait_until(lambda: is_quiet(daemon.metrics()), "quiet")
        text = self.asked(daemon, "status")
        self.assertIn("5 accepted = 5 processed + 0 dropped + 0 dead + 0 in flight", text)
        self.assertIn("serving", text)
        status = json.loads(self.asked(daemon, "status", "--format", "json"))
        self.assertEqual(status["documents"], {"accepted": 5, "processed": 5, "dropped": 0,
                                               "dead": 0, "in_flight": 0})
        self.assertEqual(status["logs"]["result"]["durable"], 5)
        self.assertEqual([stage["name"] for stage in status["pipeline"]["stages"]],
                         ["clean", "language", "entities", "duplicates", "summary"])
        wait_until(lambda: daemon.api("/api/status")["clients"], "the clients' counts")
        client, = daemon.api("/api/status")["clients"]
        self.assertEqual((client["client"], client["accepted"]), ("reporter", 5))

    def test_no_daemon(self):
        for command in (("status",), ("show", "1"), ("dead", "list"), ("cursor", "list")):
            done = wiremill(*command, "--admin", "tcp://127.0.0.1:1")
            self.assertEqual(done.returncode, 69, done.stderr)
            self.assertIn(b"no daemon answers at tcp://127.0.0.1:1", done.stderr)
        self.assertEqual(wiremill("status", "--admin", "nowhere").returncode, 64)

    def test_show(self):
        daemon = self.daemon()
        client = self.intake(daemon, client="reporter")
        first = document(id="one", source="s.example", title="A title", body=article(1))
        revised = document(id="one", source="s.example", body=article(2))
        client.push([first, revised])
        self.results(daemon, 2)
        history = json.loads(self.asked(daemon, "show", "1", "--format", "json"))
        self.assertEqual((history["id"], history["state"]), ("one", "PROCESSED"))
        accepted = history["accepted"]
        self.assertEqual((accepted["client"], accepted["number"], accepted["source"],
                          accepted["body_bytes"]),
                         ("reporter", 1, "s.example", len(article(1).encode())))
        self.assertEqual(history["result"]["language"], "en")
        self.assertEqual([(each["sequence"], each["revises"]) for each in history["same_id"]],
                         [(2, 1), (1, 0)])
        newest = json.loads(self.asked(daemon, "show", "one", "--format", "json"))
        self.assertEqual((newest["sequence"], newest["revises"]), (2, 1))
        text = self.asked(daemon, "show", "2")
        for words in ("document 2", "id one", "PROCESSED", "reporter", "revises 1"):
            self.assertIn(words, text)
        self.asked(daemon, "show", "3", expected=65)
        self.asked(daemon, "show", "absent", expected=65)
        self.asked(daemon, "show", "--id", "1", expected=65)

    def test_cursors(self):
        daemon = self.daemon()
        self.intake(daemon).push([document(body=article(i)) for i in range(9)])
        self.results(daemon, 9)
        self.assertEqual(self.asked(daemon, "cursor", "list"), "")
        self.assertIn("5 behind", self.asked(daemon, "cursor", "set", "archive", "4"))
        self.asked(daemon, "cursor", "set", "archive", "10", expected=64)
        self.asked(daemon, "cursor", "set", "no/name", "1", expected=64)
        daemon.kill()
        daemon.start()
        cursors = json.loads(self.asked(daemon, "cursor", "list", "--format", "json"))["cursors"]
        self.assertEqual([(each["name"], each["sequence"], each["lag"]) for each in cursors],
                         [("archive", 4, 5)])
        self.assertEqual(daemon.metrics()["wiremill_cursor_lag_max_documents"], 5)
        self.asked(daemon, "cursor", "remove", "archive")
        self.asked(daemon, "cursor", "remove", "archive", expected=65)
        self.assertEqual(self.asked(daemon, "cursor", "list"), "")


if __name__ == "__main__":
    unittest.main()
