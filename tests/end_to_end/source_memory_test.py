"""What `clean` remembers of a source outlives the daemon, however it ends."""
import unittest

from harness import EndToEndTest, document

PITCH = "The Lantern is read by forty thousand people, and every one of them keeps it burning."


def page(number):
    story = "\n\n".join(
        f"Boat {number}-{part} left the harbour at noon, and on the quay of town {number * 7 + part}, "
        "people waved at it for an hour." for part in range(3))
    return document(id=f"page-{number}", source="lantern.example", body=f"{story}\n\n{PITCH}\n".encode(),
                    content_type="text/plain")


class SourceMemoryTest(EndToEndTest):
    def texts(self, daemon, count):
        return [result.text for result in self.results(daemon, count)]

    def test_memory_outlives_the_daemon(self):
        daemon = self.daemon({"stages": [{"name": "clean"}]})
        for number, end in ((1, daemon.kill), (2, daemon.stop), (3, daemon.kill)):
            self.intake(daemon, session=number).push([page(number)])
            texts = self.texts(daemon, number)
            self.assertEqual([PITCH in text for text in texts], [i < 3 for i in range(1, number + 1)])
            end()
            daemon.start()
        self.intake(daemon, session=4).push([page(4), page(5)])
        self.assertEqual([PITCH in text for text in self.texts(daemon, 5)],
                         [True, True, False, False, False])


if __name__ == "__main__":
    unittest.main()
