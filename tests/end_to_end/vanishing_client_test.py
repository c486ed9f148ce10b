"""Clients that vanish in the middle leave nothing behind: no socket, no pipe, no thread."""
import socket
import struct
import unittest

from harness import HANG_S, EndToEndTest, article, document, wait_until

ROUNDS = 60
# ZMTP 3.0: greeting with the NULL mechanism, then READY, a command with the socket's type.
GREETING = (b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31))
READY_BODY = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
READY = b"\x04" + bytes([len(READY_BODY)]) + READY_BODY


class VanishingClientTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        # One acknowledged document first, so that everything that is opened once is open.
        self.target = self.daemon()
        self.stored = 1
        steady = self.intake(self.target)
        steady.bare_json(id="first", body=article(0))
        self.results(self.target, 1)
        steady.close()
        self.address, port = self.target.intake.removeprefix("tcp://").split(":")
        self.port = int(port)
        self.sockets, self.threads = self.target.sockets(), self.target.threads()

    def tearDown(self):
        """All is closed again, no thread was added, and the next client is served."""
        wait_until(lambda: self.target.sockets() <= self.sockets,
                   f"{self.target.sockets()} sockets open, {self.sockets} before")
        self.assertLessEqual(self.target.threads(), self.threads)
        client = self.intake(self.target)
        answer = client.bare_json(id="last", body=article(10_000))
        self.assertGreater(answer["ack"]["sequence"], self.stored)
        results = self.results(self.target, answer["ack"]["sequence"])
        self.assertEqual([each.sequence for each in results], list(range(1, len(results) + 1)))
        self.assertEqual(self.target.stop(), 0)

    def cut_off(self, handshake, message=b""):
        """Connects, shakes hands, sends, and is gone without a farewell (RST)."""
        connection = socket.create_connection((self.address, self.port))
        try:
            connection.settimeout(HANG_S)
            connection.sendall(handshake)
            if message:
                answer = connection.recv(1 << 16)
                while b"ROUTER" not in answer:
                    more = connection.recv(1 << 16)
                    self.assertNotEqual(more, b"", "closed in the handshake")
                    answer += more
                connection.sendall(message)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            connection.close()

    def test_in_the_handshake(self):
        for i in range(ROUNDS):
            self.cut_off(GREETING[:1 + i % len(GREETING)])
            self.cut_off(GREETING + READY[:i % len(READY)])

    def test_in_a_frame(self):
        """Half a document, and half a message of several frames."""
        long_frame = b"\x02" + struct.pack(">Q", 1 << 20)
        for i in range(ROUNDS):
            self.cut_off(GREETING + READY,
                         b"\x01\x10application/json" + long_frame + b"x" * i * 1000)
            self.cut_off(GREETING + READY, b"\x01\x03WM1" + b"\x01\x00")

    def test_without_reading_an_answer(self):
        """Numbered and bare, with documents under way."""
        for i in range(ROUNDS):
            client = self.intake(self.target, client=f"vanishing-{i}")
            client.hello()
            for number in range(1, 21):
                client.put(number, document(id=f"{i}-{number}", body=article(i * 20 + number, 2)))
            client.close()
            client = self.intake(self.target)
            client.socket.send_multipart([b"application/json", b'{"body":"unread"}'])
            client.close()

    def test_subscribers(self):
        for i in range(ROUNDS):
            subscriber = self.subscriber(self.target, first=1, credit=1 + i % 3)
            subscriber.results(1)
            subscriber.close()


if __name__ == "__main__":
    unittest.main()
