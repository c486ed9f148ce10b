"""The documents of the fault test: texts of random words, so that none resembles another, and
planted copies whose answer by the stage `duplicates` is known. Used by kill_test.py; any thread.
"""

import random
import threading
import zlib

from wiremill.v1 import document_pb2

CONSONANTS, VOWELS = "bcdfghklmnprstvz", "aeiou"
EXACT, NEAR = document_pb2.Duplicate.EXACT, document_pb2.Duplicate.NEAR


def make_vocabulary(rng, words=20_000):
    def word():
        return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.randint(2, 5)))
    return [word() for _ in range(words)]


class Document:
    """One document, and what must come of it: `copy_of` is empty where nothing earlier resembles it,
    else the ids of which one must be named as the original. Without an id the intake gives one; then
    only the client's number tells that a document was sent before."""

    def __init__(self, id, text, kind=0, copy_of=()):
        self.id, self.text, self.kind, self.copy_of = id, text, kind, copy_of

    def encode(self):
        # So many sources that no three near copies meet in one: what they share would be furniture.
        return document_pb2.Document(
            id=self.id, source=f"source{zlib.crc32(self.text.encode()) % 4001}.example", body=self.text.encode(),
            content_type="text/plain; charset=utf-8").SerializeToString()


class Texts:
    """Hands out new documents, and remembers every one."""

    def __init__(self, seed, words):
        self.rng = random.Random(seed)
        self.words = words
        self.vocabulary = make_vocabulary(self.rng)
        self.lock = threading.Lock()
        self.made = 0
        self.documents = {}  # id -> Document
        self.originals = []  # acknowledged, in that order; what copies are made of
        self.before_kill = 0  # so many of them are from before the last kill

    def acknowledged(self, document, id):
        with self.lock:
            document.id = id
            self.documents[id] = document
            if not document.copy_of:
                self.originals.append(document)

    def killed(self):
        with self.lock:
            self.before_kill = len(self.originals)

    def next(self, name):
        """The next few documents of one client; they stay together and in this order."""
        with self.lock:
            made = self._make(name)
            for document in made:
                self.made += 1
                if document.id:
                    self.documents[document.id] = document
            return made

    def _make(self, name):
        rng, base = self.rng, f"{name}-{self.made}"
        choice = rng.random()
        if choice < 0.06 and self.originals:
            # Half of them copy what was acknowledged before the last kill.
            known = self.before_kill if rng.random() < 0.5 and self.before_kill else len(self.originals)
            original = self.originals[rng.randrange(known)]
            if choice < 0.03:
                return [Document(base + "-exact", original.text, EXACT, (original.id,))]
            return [Document(base + "-near", self._edit(original.text), NEAR, (original.id,))]
        if choice < 0.16:
            # The second resembles the third, which resembles the first even more. A second that is
            # compared with state from after it finds the third.
            first, second = self._text(7), self._text(3)
            ids = [base + suffix for suffix in ("-first", "-second", "-bridge")]
            return [Document(ids[0], first), Document(ids[1], second),
                    Document(ids[2], first + "\n" + second, NEAR, (ids[0], ids[1]))]
        return [Document(base if rng.random() < 0.5 else "", self._text(10))]

    def _text(self, tenths):
        words = self.rng.choices(self.vocabulary, k=self.words * tenths // 10)
        sentences = [" ".join(words[i:i + 12]).capitalize() + "." for i in range(0, len(words), 12)]
        return "\n".join(" ".join(sentences[i:i + 4]) for i in range(0, len(sentences), 4))

    def _edit(self, text):
        words = text.split(" ")
        inner = [i for i, word in enumerate(words) if word.isalpha() and word.islower()]
        for i in self.rng.sample(inner, max(1, len(inner) // 40)):
            replaced = words[i]
            while words[i] == replaced:
                words[i] = self.rng.choice(self.vocabulary)
        return " ".join(words)
