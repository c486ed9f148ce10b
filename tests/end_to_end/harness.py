"""What the end-to-end tests share: the real programs, started on addresses of their own, and small
clients that speak the protocol by hand.

CMake passes WIREMILL_BIN (the folder of the programs), WIREMILL_PLUGINS (of the plugins for tests)
and PYTHONPATH (the generated messages). Time-outs here only end a hang.
"""
import http.client
import json
import os
import pathlib
import secrets
import signal
import subprocess
import tempfile
import time
import unittest

import zmq
from wiremill.v1 import document_pb2, intake_pb2, replay_pb2

SOURCE = pathlib.Path(__file__).resolve().parents[2]
ARTICLES = SOURCE / "tests" / "data" / "articles"
HELD_OUT = SOURCE / "tests" / "data" / "held_out"
BIN = pathlib.Path(os.environ["WIREMILL_BIN"])
WIREMILLD, WIREMILL = BIN / "wiremilld", BIN / "wiremill"
PROBE = os.environ["WIREMILL_PROBE"]  # a stage that does what the body asks for
ABI_MISMATCH = os.environ["WIREMILL_ABI_MISMATCH"]
HANG_S = 400
SANITIZER_REPORTS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "ThreadSanitizer")

Result = document_pb2.Result


def wait_until(condition, what):
    """Polls until `condition()` is truthy and answers it."""
    end = time.monotonic() + HANG_S
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.01)
    return value


def own_address():
    """A loopback address that nobody else uses, so that the ports behind it are free."""
    a, b, c = (secrets.randbelow(254) + 1 for _ in range(3))
    return f"127.{a}.{b}.{c}"


def endpoints(address):
    """The sections of a configuration with the default ports at this address."""
    return {room: {"endpoint": f"tcp://{address}:{port}"}
            for room, port in (("intake", 5750), ("feed", 5751), ("replay", 5752),
                               ("firehose", 5753), ("admin", 5754))}


def merged(base, more):
    return {**base, **{key: merged(base[key], value)
                       if isinstance(value, dict) and key in base else value
                       for key, value in more.items()}}


class Daemon:
    """One wiremilld with its configuration (a dict: JSON is YAML) and its state folder."""

    def __init__(self, folder, config):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        small = {"storage": {"free_bytes_min": "16MiB"}}  # the machine's disk may be nearly full
        self.config = merged(merged(endpoints(own_address()), small), config)
        self.config_path = folder / "wiremill.yaml"
        self.config_path.write_text(json.dumps(self.config, indent=1))
        self.process = None
        self.starts = 0
        for room in ("intake", "feed", "replay", "firehose", "admin"):
            setattr(self, room, self.config[room]["endpoint"])

    def start(self, environment=None):
        self.launch(environment)
        wait_until(lambda: self.process.poll() is not None or self.logged("serving:"), "serving")
        if self.process.poll() is not None:
            raise AssertionError(f"exit {self.process.returncode}: {self.log_text()}")
        return self

    def launch(self, environment=None):
        """Starts the program and does not wait for it to serve."""
        self.starts += 1
        with open(self.log_path(), "wb") as log:
            self.process = subprocess.Popen(
                [WIREMILLD, "--config", self.config_path, "--state", self.state],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                env={**os.environ, **(environment or {})})

    def http(self, method, path, body=None, headers=None):
        """(status, body) of a request to the admin endpoint, as `wiremill` would send it."""
        host, port = self.admin.removeprefix("tcp://").rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=HANG_S)
        try:
            connection.request(method, path, body, {"X-Wiremill": "1"} if headers is None
                               else headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def api(self, path):
        status, body = self.http("GET", path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def metrics(self):
        """{name with labels: value}"""
        status, body = self.http("GET", "/metrics")
        assert status == 200, body
        rows = [line.rsplit(" ", 1) for line in body.decode().splitlines()
                if line and not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    def log_path(self, start=None):
        return self.folder / f"log.{start or self.starts}"

    def log_text(self):
        return self.log_path().read_text(errors="replace") if self.starts else ""

    def log(self):
        """The lines of this start's log. Whatever is not JSON fails."""
        return [json.loads(line) for line in self.log_text().splitlines()]

    def logged(self, words):
        return words in self.log_text()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(HANG_S)

    def stop(self):
        """Drains; answers the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(HANG_S)

    def sockets(self):
        """Open descriptors but for files: a store opens and closes those as it likes."""
        folder, count = pathlib.Path(f"/proc/{self.process.pid}/fd"), 0
        for descriptor in folder.iterdir():
            try:
                count += not os.readlink(descriptor).startswith("/")
            except FileNotFoundError:
                pass  # closed meanwhile
        return count

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))


class Intake:
    """A DEALER at an intake, for both forms of the protocol."""

    def __init__(self, endpoint, client="end-to-end", session=None):
        self.client, self.session = client, session or secrets.randbits(63)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = self.socket.rcvhwm = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = HANG_S * 1000
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close(0)

    def bare(self, content_type, payload):
        """One bare message and its answer: a dict for JSON, an IntakeReply for protobuf."""
        self.socket.send_multipart([content_type.encode(), payload])
        answer = self.socket.recv()
        if "protobuf" in content_type:
            return intake_pb2.IntakeReply.FromString(answer)
        return json.loads(answer)

    def bare_json(self, **document):
        return self.bare("application/json", json.dumps(document).encode())

    def receive(self):
        magic, answer = self.socket.recv_multipart()
        assert magic == b"WM1", magic
        return intake_pb2.IntakeReply.FromString(answer)

    def hello(self):
        request = intake_pb2.IntakeRequest()
        request.hello.client, request.hello.session = self.client, self.session
        self.socket.send_multipart([b"WM1", request.SerializeToString()])
        return self.receive().welcome

    def put(self, number, payload, content_type=""):
        request = intake_pb2.IntakeRequest()
        request.put.number, request.put.content_type = number, content_type
        self.socket.send_multipart([b"WM1", request.SerializeToString(), payload])

    def push(self, documents):
        """PUTs serialised documents within credit; answers the Accepted of each, in order."""
        welcome = self.hello()
        sent, settled, credit, accepted = 0, welcome.durable_up_to, welcome.credit, []
        while settled < len(documents):
            while sent < min(len(documents), settled + credit):
                sent += 1
                self.put(sent, documents[sent - 1])
            reply = self.receive()
            if reply.WhichOneof("kind") != "ack":
                raise AssertionError(f"not acknowledged: {reply}")
            settled, credit = reply.ack.durable_up_to, reply.ack.credit
            accepted.extend(reply.ack.accepted)
        return accepted


class Subscriber:
    """A DEALER at a replay endpoint that fetches in order."""

    def __init__(self, endpoint, first=1, follow=True, credit=1000):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvhwm = 0
        self.socket.rcvtimeo = HANG_S * 1000
        self.socket.connect(endpoint)
        request = replay_pb2.ReplayRequest()
        request.fetch.sequence, request.fetch.follow = first, follow
        request.fetch.credit, request.fetch.stream = credit, 1
        self._send(request)

    def _send(self, request):
        self.socket.send_multipart([b"WM1", request.SerializeToString()])

    def close(self):
        self.socket.close(0)

    def replies(self):
        """(ReplayReply, the Result's bytes or None), one by one, without end."""
        grant = replay_pb2.ReplayRequest()
        grant.credit.more = 1
        while True:
            _, head, *rest = self.socket.recv_multipart()
            reply = replay_pb2.ReplayReply.FromString(head)
            kind = reply.WhichOneof("kind")
            if kind == "error":
                raise AssertionError(f"replay: {reply.error.code}: {reply.error.message}")
            if kind == "item":
                self._send(grant)
            yield reply, rest[0] if rest else None

    def results(self, count):
        """The raw bytes of the next `count` results."""
        found = []
        for _, payload in self.replies() if count else ():
            if payload is not None:
                found.append(payload)
            if len(found) == count:
                return found
        return found


def replay_all(endpoint):
    """Every result that the log holds, as raw bytes."""
    subscriber = Subscriber(endpoint, follow=False)
    try:
        found = []
        for reply, payload in subscriber.replies():
            if payload is not None:
                found.append(payload)
            if reply.WhichOneof("kind") == "head":
                return found
    finally:
        subscriber.close()


def document(**fields):
    """A serialised Document; `body` may be text or bytes."""
    if isinstance(fields.get("body"), str):
        fields["body"] = fields["body"].encode()
    return document_pb2.Document(**fields).SerializeToString()


SUBJECTS = ("The harbour council", "A team of geologists", "The railway board", "Her neighbour Tomas",
            "The village choir", "An old lighthouse keeper", "The ministry in Tallinn")
VERBS = ("repaired", "described", "refused", "painted", "measured", "counted", "opened")
OBJECTS = ("the northern bridge", "seven wooden boats", "a report of forty pages", "the river's depth",
           "the museum's east wing", "last winter's accounts", "a field of late barley")


def article(number, sentences=12):
    """Plain English text, another one for each number."""
    lines = []
    for i in range(sentences):
        k = number * 31 + i * 17 + (number >> 3) * i
        lines.append(f"{SUBJECTS[k % 7]} {VERBS[(k // 7) % 7]} {OBJECTS[(k // 49) % 7]} on day "
                     f"{number + i} of the season, and case {number}-{k} was closed.")
    return "\n".join(lines)


def run_program(program, *arguments, stdin=b"", environment=None):
    """A program to its end: CompletedProcess with bytes."""
    return subprocess.run([program, *map(str, arguments)], input=stdin, capture_output=True,
                          timeout=HANG_S, env={**os.environ, **(environment or {})}, check=False)


def wiremill(*arguments, **options):
    return run_program(WIREMILL, *arguments, **options)


def start_wiremill(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
    return subprocess.Popen([WIREMILL, *map(str, arguments)], stdin=subprocess.DEVNULL,
                            stdout=stdout, stderr=stderr)


def write_jsonl(path, documents):
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents))
    return path


class EndToEndTest(unittest.TestCase):
    """Gives each test a folder, and daemons that end with it and are searched for reports."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.daemons = []

    def daemon(self, config=None, start=True):
        daemon = Daemon(self.folder / f"daemon{len(self.daemons)}", config or {})
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        return daemon.start() if start else daemon

    def _end(self, daemon):
        daemon.kill()
        for start in range(1, daemon.starts + 1):
            text = daemon.log_path(start).read_text(errors="replace")
            for report in SANITIZER_REPORTS:
                self.assertNotIn(report, text)

    def intake(self, daemon, **options):
        client = Intake(daemon.intake, **options)
        self.addCleanup(client.close)
        return client

    def subscriber(self, daemon, **options):
        subscriber = Subscriber(daemon.replay, **options)
        self.addCleanup(subscriber.close)
        return subscriber

    def program(self, *arguments, **options):
        """A `wiremill` in the background, ended with the test."""
        process = start_wiremill(*arguments, **options)

        def end():
            process.kill()
            process.wait(HANG_S)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self.addCleanup(end)
        return process

    def results(self, daemon, count):
        """The first `count` results of a daemon, parsed; waits for them."""
        return [Result.FromString(raw) for raw in self.subscriber(daemon).results(count)]
