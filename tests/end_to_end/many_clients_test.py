"""10,000 documents from four clients at once, each exactly once at three subscribers."""
import threading
import unittest

from wiremill.v1 import document_pb2

from harness import EndToEndTest, Intake, Result, Subscriber, article, document, wait_until, wiremill

CLIENTS, EACH = 4, 2500
TOTAL = CLIENTS * EACH


class ManyClientsTest(EndToEndTest):
    def in_thread(self, work):
        """Runs `work` beside; the thread's answer or exception comes out of join()."""
        outcome = {}

        def run():
            try:
                outcome["value"] = work()
            except BaseException as error:  # handed to whoever joins
                outcome["error"] = error
        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def join():
            thread.join()
            if "error" in outcome:
                raise outcome["error"]
            return outcome["value"]
        return join

    def test_exactly_once_in_order(self):
        daemon = self.daemon()

        def push(client):
            documents = [document(id=f"{client}-{i}", source=f"source-{client}.example",
                                  body=article(client * EACH + i, 3)) for i in range(EACH)]
            intake = Intake(daemon.intake, client=f"client-{client}")
            try:
                return intake.push(documents)
            finally:
                intake.close()

        def subscribe(credit):
            subscriber = Subscriber(daemon.replay, credit=credit)
            try:
                return subscriber.results(TOTAL)
            finally:
                subscriber.close()

        readers = [self.in_thread(lambda: subscribe(1000)), self.in_thread(lambda: subscribe(7))]
        pushers = [self.in_thread(lambda client=client: push(client)) for client in range(CLIENTS)]
        # The third joins in the middle, as the command line does it.
        early = self.subscriber(daemon)
        early.results(TOTAL // 4)
        late = wiremill("tail", "--replay", daemon.replay, "--since", "first", "--format", "json",
                        "--count", str(TOTAL))
        self.assertEqual(late.returncode, 0, late.stderr)

        sequences = {}
        for client, join in enumerate(pushers):
            accepted = join()
            self.assertEqual([each.number for each in accepted], list(range(1, EACH + 1)))
            mine = [each.sequence for each in accepted]
            self.assertEqual(mine, sorted(mine), "one client's documents keep their order")
            sequences.update({f"{client}-{i}": sequence for i, sequence in enumerate(mine)})
        self.assertEqual(sorted(sequences.values()), list(range(1, TOTAL + 1)))

        streams = [join() for join in readers]
        self.assertEqual(streams[0], streams[1])
        results = [Result.FromString(raw) for raw in streams[0]]
        self.assertEqual([each.sequence for each in results], list(range(1, TOTAL + 1)))
        self.assertEqual({each.id: each.sequence for each in results}, sequences)
        self.assertEqual({each.status for each in results}, {Result.PROCESSED})
        self.assertEqual({each.duplicate.kind for each in results} - {
            document_pb2.Duplicate.NONE, document_pb2.Duplicate.NEAR}, set())
        lines = late.stdout.splitlines()
        self.assertEqual(len(lines), TOTAL)
        for sequence, line in enumerate(lines, 1):
            self.assertTrue(line.startswith(b'{"sequence":%d,' % sequence), line[:60])
        self.assertEqual(daemon.stop(), 0)
        wait_until(lambda: daemon.logged(f"{TOTAL} processed, 0 dropped, 0 dead"), "the count")


if __name__ == "__main__":
    unittest.main()
