"""The two sides that talk to the daemon in the fault test: a client of the intake and a subscriber of
the replay endpoint. They know the protocol from proto/ alone and share no code with clients/. Each
runs on a thread of its own, for one life of the daemon at a time; what they know outlives it.
"""

import hashlib
import time

import zmq

from wiremill.v1 import intake_pb2, replay_pb2

MAGIC = b"WM1"
RETRYABLE = {intake_pb2.Nack.NO_HELLO, intake_pb2.Nack.OUT_OF_ORDER, intake_pb2.Nack.NO_CREDIT,
             intake_pb2.Nack.BUSY, intake_pb2.Nack.NO_SPACE}
QUIET_MS = 50  # after a kill: how long to wait for what is still in the socket


def connect(endpoint):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, 10)
    socket.connect(endpoint)
    return socket


class Client:
    """Pushes documents under numbers of its own, and writes down each acknowledgement as it comes."""

    WINDOW = 1024

    def __init__(self, name, texts, rng, record, report, may_push):
        self.name, self.texts, self.rng = name, texts, rng
        self.record, self.report, self.may_push = record, report, may_push
        self.session = rng.getrandbits(64)
        self.pending = {}   # number -> Document, without an acknowledgement
        self.accepted = {}  # number -> sequence
        self.settled = 0    # every number up to here is in `accepted`
        self.next_number = 1
        self.resolved = 0   # stored before a kill that came before their acknowledgement

    def run(self, endpoint, stop, push_new):
        """Until `stop`; without `push_new` also until nothing is left to be acknowledged."""
        socket = connect(endpoint)
        self.cursor = None  # the next number to send; none before WELCOME and while the daemon drains
        # Either way is right: the daemon's own knowledge must not be behind ours.
        hello = intake_pb2.Hello(client=self.name, session=self.session,
                                 settled_up_to=self.rng.choice((0, self.settled)))
        socket.send_multipart([MAGIC, intake_pb2.IntakeRequest(hello=hello).SerializeToString()])
        while not stop.is_set() and (push_new or self.pending):
            while socket.poll(0):
                self._handle(socket.recv_multipart())
            if self.cursor is None or not self._send_some(socket, push_new):
                socket.poll(5)
        while socket.poll(QUIET_MS):
            self._handle(socket.recv_multipart())
        socket.close()

    def _send_some(self, socket, push_new):
        limit = min(self.credit_up_to, self.settled + self.WINDOW)
        sent = 0
        while self.cursor <= limit and sent < 32:
            if self.cursor == self.next_number:
                if not push_new or not self.may_push():
                    break
                for document in self.texts.next(self.name):
                    self.pending[self.next_number] = document
                    self.next_number += 1
            document = self.pending.get(self.cursor)
            if document is not None:
                request = intake_pb2.IntakeRequest(put=intake_pb2.Put(number=self.cursor))
                socket.send_multipart([MAGIC, request.SerializeToString(), document.encode()])
                sent += 1
            self.cursor += 1
        return sent

    def _handle(self, frames):
        reply = intake_pb2.IntakeReply.FromString(frames[1])
        kind = reply.WhichOneof("kind")
        if kind == "welcome":
            if reply.welcome.durable_up_to < self.settled:
                self.report("lost", f"{self.name}: acknowledged up to number {self.settled}, but the "
                                    f"daemon knows only {reply.welcome.durable_up_to}")
            self.credit_up_to = reply.welcome.durable_up_to + reply.welcome.credit
            self.resolved += sum(number <= reply.welcome.durable_up_to for number in self.pending)
            self.cursor = self.settled + 1
        elif kind == "ack":
            self.credit_up_to = reply.ack.durable_up_to + reply.ack.credit
            for accepted in reply.ack.accepted:
                self._accept(accepted)
        elif reply.nack.code == intake_pb2.Nack.SHUTTING_DOWN:
            self.cursor = None
        elif reply.nack.code not in RETRYABLE:
            self.report("refused", f"{self.name}: number {reply.nack.number}: {reply.nack}")
        elif self.cursor is not None:
            self.cursor = max(self.settled + 1, min(self.cursor, reply.nack.number))

    def _accept(self, accepted):
        if accepted.number in self.accepted:
            if self.accepted[accepted.number] != accepted.sequence:
                self.report("twice", f"{self.name}: number {accepted.number} was acknowledged as "
                                     f"{self.accepted[accepted.number]} and as {accepted.sequence}")
            return
        document = self.pending.pop(accepted.number, None)
        if document is None or accepted.id != (document.id or f"seq:{accepted.sequence}"):
            self.report("twice", f"{self.name}: number {accepted.number} acknowledged as {accepted.id}")
            return
        self.record.write(f"{self.name} {self.session} {accepted.number} {accepted.id} "
                          f"{accepted.sequence}\n")
        self.accepted[accepted.number] = accepted.sequence
        while self.settled + 1 in self.accepted:
            self.settled += 1
        self.texts.acknowledged(document, accepted.id)


class Subscriber:
    """Follows the results from the first one on, over all lives of the daemon; with `cursor` under that
    name, which a crash may set back but never forward."""

    COMMIT_EVERY = 300

    def __init__(self, name, credit, report, cursor=True):
        self.name, self.credit, self.report, self.cursor = name, credit, report, cursor
        self.next = 1
        self.committed = self.commit_asked = 0
        self.digests = []  # of result 1, 2, 3 …
        self.items = None  # where set: every (header, topic, result)

    def run(self, endpoint, stop):
        """Until `stop`; without a cursor until the head."""
        socket = connect(endpoint)
        fetch = replay_pb2.Fetch(credit=self.credit, follow=self.cursor, stream=1)
        if self.cursor:
            fetch.cursor = self.name
        else:
            fetch.sequence = 1
        self._send(socket, replay_pb2.ReplayRequest(fetch=fetch))
        self.consumed, self.ended, self.due = 0, False, None
        while not stop.is_set() and not self.ended:
            if socket.poll(20):
                self._handle(socket, socket.recv_multipart())
        while not self.ended and socket.poll(QUIET_MS):
            self._handle(socket, socket.recv_multipart())
        socket.close()

    @staticmethod
    def _send(socket, request):
        socket.send_multipart([MAGIC, request.SerializeToString()])

    def _handle(self, socket, frames):
        reply = replay_pb2.ReplayReply.FromString(frames[1])
        kind = reply.WhichOneof("kind")
        if kind == "item":
            self._take(reply.item, frames[2])
            self.consumed += 1
            if self.consumed >= self.credit // 2:
                self._send(socket, replay_pb2.ReplayRequest(
                    credit=replay_pb2.Credit(more=self.consumed)))
                self.consumed = 0
            header = reply.item.header
            if self.cursor and header.sequence >= self.commit_asked + self.COMMIT_EVERY:
                self.commit_asked = header.sequence
                self._send(socket, replay_pb2.ReplayRequest(commit=replay_pb2.Commit(
                    cursor=self.name, epoch=header.epoch, sequence=header.sequence)))
        elif kind == "committed":
            self.committed = reply.committed.sequence
        elif kind in ("head", "progress"):
            sent = getattr(reply, kind).sequence
            if sent >= self.next:
                self.report("gap", f"{self.name}: all up to {sent} is said to be sent, but {self.next} "
                                   f"never came")
            self.ended = kind == "head" and not self.cursor
        elif kind is not None:
            self.report("gap", f"{self.name} at {self.next}: {reply}")

    def _take(self, item, result):
        sequence = item.header.sequence
        if self.due is None and sequence <= self.committed:
            self.report("cursor", f"{self.name}: {self.committed} is committed, but {sequence} came again")
        if self.due is not None and sequence != self.due:
            self.report("gap" if sequence > self.due else "repeat",
                        f"{self.name}: {sequence} came where {self.due} was due")
        self.due = sequence + 1
        digest = hashlib.blake2b(result, digest_size=16).digest()
        if sequence < self.next:
            if self.digests[sequence - 1] != digest:
                self.report("changed", f"{self.name}: result {sequence} is not the one seen before")
            return
        if sequence > self.next:
            self.report("gap", f"{self.name}: {sequence} came where {self.next} was due")
        self.next = sequence + 1
        self.digests.append(digest)
        if self.items is not None:
            self.items.append((item.header, item.topic, result))


def wait_until(condition, patience_s, progress):
    """False: for `patience_s` neither did `condition` come true nor `progress` change."""
    seen, since = progress(), time.monotonic()
    while not condition():
        time.sleep(0.01)
        if progress() != seen:
            seen, since = progress(), time.monotonic()
        elif time.monotonic() - since > patience_s:
            return False
    return True
