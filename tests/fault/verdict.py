"""Holds the results of the fault test against the clients' record of what was acknowledged. Called by
kill_test.py when all is over; Findings also while it runs, from any thread.
"""

import threading

from wiremill.v1 import document_pb2

ALWAYS_SHOWN = ("lost", "twice", "gap", "dead", "self-duplicate", "wrong duplicate")
MESSAGES_MAX = 20


class Findings:
    """Violations by kind; truth means that there is one."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts, self.messages = {}, []

    def add(self, kind, message):
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if len(self.messages) < MESSAGES_MAX:
                self.messages.append(f"{kind}: {message}")

    def __bool__(self):
        return bool(self.counts)


def check(record_path, documents, subscribers, replay, findings):
    results = [document_pb2.Result.FromString(result) for _, _, result in replay.items]
    by_sequence = {result.sequence: result for result in results}
    check_acknowledged(record_path, by_sequence, findings)
    check_once(results, documents, findings)
    for result in results:
        check_result(result, documents.get(result.id), findings)
    check_topics(replay.items, findings)
    check_subscribers(subscribers, replay, findings)


def check_acknowledged(record_path, by_sequence, findings):
    """Every acknowledged document has its result under its sequence."""
    taken = {}
    with open(record_path) as record:
        for line in record:
            client, _, number, id, sequence = line.split()
            result = by_sequence.get(int(sequence))
            if result is None or result.id != id:
                findings.add("lost", f"{client}: number {number}, {id}, was acknowledged as {sequence}; "
                                     f"there is {'no result' if result is None else result.id}")
            if taken.setdefault(sequence, id) != id:
                findings.add("lost", f"sequence {sequence} was given to {taken[sequence]} and to {id}")


def check_once(results, documents, findings):
    seen = {}
    for result in results:
        if result.id not in documents:
            findings.add("twice", f"result {result.sequence}, {result.id}, is nobody's document")
        if result.id in seen:
            findings.add("twice", f"{result.id} has the results {seen[result.id]} and {result.sequence}")
        seen[result.id] = result.sequence


def check_result(result, document, findings):
    where = f"result {result.sequence}, {result.id}"
    if result.status != document_pb2.Result.PROCESSED:
        findings.add("dead", f"{where}: {document_pb2.Result.Status.Name(result.status)} {result.failure}")
        return
    if document is None:
        return
    if result.text.split() != document.text.split():
        findings.add("wrong text", f"{where}: {result.text[:80]!r}")
    duplicate = result.duplicate
    if duplicate.kind != document_pb2.Duplicate.NONE and duplicate.of == result.id:
        findings.add("self-duplicate", where)
    elif duplicate.kind != document.kind or document.copy_of and duplicate.of not in document.copy_of:
        kind = document_pb2.Duplicate.Kind.Name
        expected = f"{kind(document.kind)} of {' or '.join(document.copy_of) or 'none'}"
        findings.add("wrong duplicate", f"{where}: {kind(duplicate.kind)} of {duplicate.of or 'none'}, "
                                        f"similarity {duplicate.similarity:.3f}, not {expected}")


def check_topics(items, findings):
    """`previous` comes out of the state that belongs to the result log."""
    newest, accepted_at_us = {}, 0
    for header, topic, _ in items:
        if header.previous != newest.get(topic, 0):
            findings.add("wrong previous", f"result {header.sequence} on {topic}: {header.previous}, not "
                                           f"{newest.get(topic, 0)}")
        newest[topic] = header.sequence
        if header.accepted_at_us < accepted_at_us:
            findings.add("time", f"result {header.sequence} was accepted before the one before it")
        accepted_at_us = header.accepted_at_us


def check_subscribers(subscribers, replay, findings):
    """What a subscriber saw before a kill still stands."""
    for subscriber in subscribers:
        if len(subscriber.digests) > len(replay.digests):
            findings.add("lost", f"{subscriber.name} saw {len(subscriber.digests)} results, "
                                 f"{len(replay.digests)} are left")
        for sequence, (seen, now) in enumerate(zip(subscriber.digests, replay.digests), 1):
            if seen != now:
                findings.add("changed", f"result {sequence} is not the one that {subscriber.name} saw")
