"""Thousands of connects and disconnects of every bad kind: half-open peers, half handshakes, partial
multipart messages, half frames, slow senders, clients and subscribers that vanish. Part of torture.py.

No leak: when all are gone the daemon has the sockets and threads that it had, and after a warm-up its
memory does not grow. The warm-up is a load larger than what the logs keep of themselves in memory, and
the first half of the connections, for malloc keeps what their peaks took.
Meanwhile a steady client is served, with nothing lost and nothing out of order.
"""

import contextlib
import json
import re
import socket
import struct
import time
import urllib.request

import daemon as daemons
import load as loads
import zmq
from outcome import Outcome
from wiremill.v1 import document_pb2, intake_pb2, replay_pb2

CONFIG = daemons.configuration("language", "segment_bytes: 4MiB", "clients_max: 200").replace(
    'admin: {endpoint: ""}', 'admin: {endpoint: "tcp://127.0.0.1:*"}')
# ZMTP 3.0 (rfc.zeromq.org/spec/23): the greeting with the NULL mechanism, then READY with the socket's type.
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
READY_BODY = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
READY = b"\x04" + bytes([len(READY_BODY)]) + READY_BODY
MORE, LONG = b"\x01", b"\x02"  # flags of a frame
HALF_OPEN, SLOW = 100, 20
ROUND = 500  # connections; after each the half-open ones are replaced
RSS_GROWTH_MAX_MIB = 16
WARM_UP_DOCUMENTS, WARM_UP_TEXT_BYTES = 6000, 8000  # each log keeps its newest 32 MiB (daemon/log/log.cpp)
PATIENCE_S = 60


class Churn:
    def __init__(self, options, daemon, outcome):
        self.random, self.daemon, self.outcome = options.random, daemon, outcome
        self.intake, self.replay = map(self.address, (daemon.intake, daemon.replay))
        admin = re.search(r"\b(?:admin|http)\S* (?:tcp|http)://([0-9.]+:\d+)", daemon.log())
        self.admin = admin and self.address("tcp://" + admin.group(1))
        self.kinds = [self.silent, self.half_greeting, self.half_ready, self.partial_multipart,
                      self.half_frame, self.unread_client, self.bare_client, self.subscriber]
        self.kinds += [self.half_request, self.http] if self.admin else []
        self.connections = 0
        self.held, self.slow = [], []

    @staticmethod
    def address(endpoint):
        host, port = endpoint.removeprefix("tcp://").split(":")
        return host, int(port)

    def either(self):
        return self.random.choice((self.intake, self.replay))

    def connect(self, address):
        connection = socket.create_connection(address, timeout=PATIENCE_S)
        self.connections += 1
        return connection

    @contextlib.contextmanager
    def raw(self, address, handshake=b""):
        with self.connect(address) as connection:
            connection.sendall(handshake)
            yield connection
            if self.random.random() < 0.5:  # gone without a farewell (RST)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def silent(self):
        with self.raw(self.either()):
            pass

    def half_greeting(self):
        with self.raw(self.either(), GREETING[:self.random.randrange(1, len(GREETING))]):
            pass

    def half_ready(self):
        with self.raw(self.either(), GREETING + READY[:self.random.randrange(len(READY))]):
            pass

    def shaken(self, connection):
        answer = b""
        while b"ROUTER" not in answer:
            more = connection.recv(1 << 12)
            if not more:
                self.outcome.note("refused", "the handshake of a good peer was cut")
                return
            answer += more

    def partial_multipart(self):
        with self.raw(self.either(), GREETING + READY) as connection:
            self.shaken(connection)
            connection.sendall(MORE + b"\x03WM1" + MORE + b"\x00")

    def half_frame(self):
        with self.raw(self.intake, GREETING + READY) as connection:
            self.shaken(connection)
            connection.sendall(MORE + b"\x10application/json" + LONG + struct.pack(">Q", 1 << 20)
                               + bytes(self.random.randrange(60_000)))

    def dealer(self, endpoint):
        self.connections += 1
        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.linger, dealer.rcvtimeo = self.random.choice((0, 20)), PATIENCE_S * 1000
        dealer.connect(endpoint)
        return dealer

    def unread_client(self):
        with self.dealer(self.daemon.intake) as dealer:
            hello = intake_pb2.Hello(client=f"churn-{self.connections}", session=self.connections)
            dealer.send_multipart([b"WM1", intake_pb2.IntakeRequest(hello=hello).SerializeToString()])
            for number in range(1, 6):
                put = intake_pb2.IntakeRequest(put=intake_pb2.Put(number=number))
                document = document_pb2.Document(body=b"Vanishing.")
                dealer.send_multipart([b"WM1", put.SerializeToString(), document.SerializeToString()])

    def bare_client(self):
        with self.dealer(self.daemon.intake) as dealer:
            dealer.send_multipart([b"application/json", b'{"body": "Rain fell."}'])
            if "ack" not in json.loads(dealer.recv()):
                self.outcome.note("refused", "a bare document was not taken")

    def subscriber(self):
        with self.dealer(self.daemon.replay) as dealer:
            fetch = replay_pb2.Fetch(sequence=1, credit=self.random.choice((1, 50)), follow=True, stream=1)
            dealer.send_multipart([b"WM1", replay_pb2.ReplayRequest(fetch=fetch).SerializeToString()])
            dealer.recv_multipart()

    def half_request(self):
        request = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with self.raw(self.admin, request[:self.random.randrange(len(request))]):
            pass

    def http(self):
        self.connections += 1
        with urllib.request.urlopen("http://%s:%d/healthz" % self.admin, timeout=PATIENCE_S) as answer:
            answer.read()

    def hold(self):
        """Peers that stay half-open, and some that send a good message byte by byte."""
        for _ in range(HALF_OPEN):
            connection = self.connect(self.either())
            connection.sendall(GREETING[:self.random.randrange(len(GREETING))])
            self.held.append(connection)
        for _ in range(HALF_OPEN // 5 if self.admin else 0):
            self.held.append(self.connect(self.admin))
        message = MORE + b"\x10application/json" + b"\x00\x02{}"
        for _ in range(SLOW):
            connection = self.connect(self.intake)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.slow.append((connection, GREETING + READY + message))

    def drip(self):
        dripped = []
        for connection, rest in self.slow:
            with contextlib.suppress(OSError):  # the handshake has its time limit
                connection.sendall(rest[:1])
                dripped.append((connection, rest[1:]))
        self.slow = [each for each in dripped if each[1]]
        self.held += [connection for connection, rest in dripped if not rest]

    def release(self):
        for connection in self.held + [connection for connection, _ in self.slow]:
            connection.close()
        self.held, self.slow = [], []

    def round(self, count):
        until = self.connections + count
        self.hold()
        while self.connections < until and not self.outcome.findings:
            self.random.choice(self.kinds)()
            self.drip()
        self.release()


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def warm_up(options, folder, daemon, outcome):
    with contextlib.closing(loads.Load(options.load, folder, clients=2, subscribers=1,
                                       text_bytes=WARM_UP_TEXT_BYTES)) as load:
        load.begin(daemon)
        load.wait(lambda status: status["acknowledged"] >= WARM_UP_DOCUMENTS, broken=daemon.died)
        if load.settle(daemon) is None:
            outcome.note("unfinished", f"{load.status()}: {daemon.tail()}")
        load.end()


def run(options):
    outcome, total = Outcome(), 1000 if options.short else 40_000
    with outcome.folder() as folder:
        daemon = daemons.Daemon(options.daemon, folder, CONFIG)
        if not daemon.wait_serving():
            outcome.note("not started", daemon.tail())
            return outcome
        warm_up(options, folder, daemon, outcome)
        churn = Churn(options, daemon, outcome)
        for kind in churn.kinds:  # so that what is opened once is open
            kind()
        churn.bare_client()
        time.sleep(0.5)
        sockets, threads = daemon.sockets(), daemon.status("Threads")
        rss = []
        while churn.connections < total and not outcome.findings and not daemon.died():
            churn.round(min(ROUND, total // 4))
            if not wait_for(lambda: daemon.sockets() <= sockets and daemon.status("Threads") <= threads):
                outcome.note("leak", f"{daemon.sockets()} sockets and {daemon.status('Threads')} threads, "
                                     f"{sockets} and {threads} before")
            rss.append(daemon.rss_mib())
            churn.bare_client()
        warm = rss[len(rss) // 2:]
        growth = warm[-1] - warm[0]
        if growth > RSS_GROWTH_MAX_MIB:
            outcome.note("leak", f"RSS grew by {growth:.1f} MiB: {[round(each) for each in rss]}")
        if daemon.died() or daemon.drain() != 0:
            outcome.note("died", f"exit code {daemon.process.returncode}: {daemon.tail()}")
        outcome.findings.update(replayed(options, folder))
    outcome.brief = f"{churn.connections} connections"
    outcome.summary = (f"{churn.connections} connections, {sockets} sockets and {threads} threads before and "
                       f"after, RSS {rss[0]:.0f} MiB, {warm[0]:.0f} warm, {warm[-1]:.0f} at the end")
    return outcome


def replayed(options, folder):
    """Violations that a replay of all results shows: a gap, or an order that is not."""
    daemon = daemons.Daemon(options.daemon, folder, CONFIG)
    if not daemon.wait_serving():
        daemon.kill()
        return {"not started": 1}
    with contextlib.closing(loads.Load(options.load, folder, clients=0, subscribers=0,
                                       foreign="true")) as load:
        status = load.order("replay", daemon.replay)
    daemon.drain()
    return status["findings"]
