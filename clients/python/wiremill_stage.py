"""A stage of Wiremill's line in Python: a class with process(), and optionally settle().

    from wiremill_stage import Option, Stage

    class WordCount(Stage):
        id = "org.example.words"
        version = "1.0.0"
        summary = "Counts the words of a text."
        required = ["text"]
        provided = ["extensions.org.example.words"]
        option_table = [Option("words_min", int, 1, "Shorter texts are left alone.")]

        def process(self, document, output):
            words = len(document.text.split())
            if words < self.options["words_min"]:
                return output.skip()
            output.extension({"words": words})

    if __name__ == "__main__":
        WordCount.main()

The daemon runs it as `command: [python3, words.py]`, one process for each call at once; what passes
between the two is explained in docs/external-stage.md. `document` is a StageDocument of stage.proto
with the parts that the class requires or uses. print() goes to standard error, whose end stands in the
dead letter where the process dies. An exception makes the document FAILED: it is tried again up to
attempts_max times, then it is DEAD with the exception as its message.

Needs Debian's python3-protobuf. The daemon has PYTHONPATH name this file's folder and the messages'.
"""
import json
import os
import sys
import time
import traceback

from wiremill.v1.stage_pb2 import (StageDescriptor, StageDocument, StageEvent, StageRequest,
                                   StageResponse)

PROTOCOL = 1
MESSAGE_BYTES_MAX = 64 << 20

_TYPES = StageDescriptor.Option.Type
_TYPE_OF = {bool: "BOOL", int: "INTEGER", float: "NUMBER", str: "STRING", list: "STRINGS",
            "duration": "DURATION", "bytes": "BYTES"}


class Option:
    """One option: its type is bool, int, float, str, list, "duration" (written 10s, told in
    milliseconds) or "bytes" (written 64KiB). Without a default it is required."""

    def __init__(self, name, type, default=None, help="", minimum=0, maximum=0):
        if default is not None and not isinstance(default, str):
            default = json.dumps(default)  # as in YAML
        self.row = StageDescriptor.Option(name=name, type=_TYPES.Value(_TYPE_OF[type]),
                                          default_value=default, help=help, minimum=minimum,
                                          maximum=maximum)


class Output:
    """What a stage says of one document. What is said twice, the second replaces."""

    def __init__(self, deadline_us=0):
        self.events = []
        self._ends_at = time.monotonic() + deadline_us * 1e-6 if deadline_us else None

    def time_left(self):
        """Seconds until the process is ended for this document, 0 where they are over: give up with a
        verdict before. None where there is no limit. Other results must not depend on it."""
        return None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    def _say(self, **what):
        self.events.append(StageEvent(**what))

    def extension(self, value):
        """Anything that json takes; stands in the result under the stage's id."""
        self._say(extension=json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def title(self, text):
        self._text("TITLE", text)

    def byline(self, text):
        self._text("BYLINE", text)

    def dateline(self, text):
        self._text("DATELINE", text)

    def text(self, text):
        self._text("TEXT", text)

    def _text(self, field, text):
        self._say(text=StageEvent.Text(field=StageEvent.Text.Field.Value(field), text=text))

    def published(self, microseconds):
        self._say(published_us=microseconds)

    def paragraphs(self, paragraphs):
        """A list of Paragraph messages (document_pb2), as are the following."""
        self._say(paragraphs=StageEvent.Paragraphs(list=paragraphs))

    def language(self, language):
        self._say(language=language)

    def entities(self, entities):
        self._say(entities=StageEvent.Entities(list=entities))

    def duplicate(self, duplicate):
        self._say(duplicate=duplicate)

    def summary(self, summary):
        self._say(summary=summary)

    def carry(self, data):
        """Bytes for this stage's settle of the same document; in process only."""
        self._say(carry=data)

    # The verdict; a document without one is processed. Messages are for people, codes short words.

    def skip(self):
        """Nothing to do here: what was said of this document is discarded."""
        self._verdict("SKIP", "", "")

    def drop(self, code, message=""):
        """The document leaves the line as DROPPED."""
        self._verdict("DROP", code, message)

    def retry(self, message=""):
        """Once more, up to attempts_max times; in process only."""
        self._verdict("RETRY", "RETRY", message)

    def bad_document(self, code, message=""):
        """The document is at fault: it is DEAD."""
        self._verdict("BAD_DOCUMENT", code, message)

    def failed(self, code, message=""):
        """The stage is at fault: DEAD after attempts_max."""
        self._verdict("FAILED", code, message)

    def _verdict(self, kind, code, message):
        self._say(verdict=StageEvent.Verdict(kind=StageEvent.Verdict.Kind.Value(kind),
                                             code=code.encode(), message=message.encode()))


class State:
    """The stage's own keys and values, bytes both: in settle only. What a document's settle writes
    becomes lasting together with that document's result, and later documents see it at once."""

    def __init__(self, output, ask):
        self._output = output
        self._ask = ask

    def get(self, key):
        """None where there is no such key."""
        return self.get_many([key])[0]

    def get_many(self, keys):
        values = []
        while len(values) < len(keys):
            reply = self._ask(StageEvent(get=StageEvent.Get(keys=keys[len(values):])))
            values += [each.value if each.found else None for each in reply.values]
        return values

    def put(self, key, value):
        self._output._say(put=StageEvent.Put(key=key, value=value))

    def remove(self, key):
        self._output._say(remove=key)

    def scan(self, prefix=b"", start=b""):
        """Key and value of each key that begins with prefix and is not less than start, in order."""
        more, entries_max = True, 16  # it mostly ends early
        while more:
            reply = self._ask(StageEvent(scan=StageEvent.Scan(
                **{"prefix": prefix, "from": start, "entries_max": entries_max})))
            entries_max = min(8 * entries_max, 1 << 16)
            for entry in reply.entries:
                yield entry.key, entry.value
            more = reply.more
            if more:
                start = reply.entries[-1].key + b"\0"  # the least key behind it


class Refused(Exception):
    """Raised in __init__: the options will not do; the message is shown as a configuration error."""


class Stage:
    id = version = summary = None
    required, used, provided = [], [], []
    option_table = []
    reads_body = False  # the document as submitted, in document.body
    state_version = 1

    def __init__(self, name, options):
        """`name` of the configured step; `options` by their names. A subclass that has an __init__
        of its own calls this one first."""
        self.name = name
        self.options = options
        self._events = []

    def process(self, document, output):
        """Sees one document; what it says may depend on that and the options alone."""

    # A stage with state also has settle(self, document, output, state): it is called in the order of
    # the documents' sequences, in one process.

    def log(self, message, level="INFO"):
        """A line for the daemon's log: DEBUG, INFO, WARNING or ERROR. Goes with the document."""
        self._events.append(StageEvent(log=StageEvent.Log(
            level=StageEvent.Log.Level.Value(level), message=str(message).encode())))

    def count(self, name, add=1):
        """Adds to the counter wiremill_stage_events_total{event="<name>"}. Goes with the document, as
        do gauge and observe. Names are lower_snake_case, 64 of all kinds together (plugin.h)."""
        self._events.append(StageEvent(count=StageEvent.Count(name=name.encode(), add=add)))

    def gauge(self, name, value):
        """The gauge wiremill_stage_<name> is `value` from now on."""
        self._events.append(StageEvent(gauge=StageEvent.Gauge(name=name.encode(), value=value)))

    def observe(self, name, value):
        """Adds a value, not below 0, to the histogram wiremill_stage_<name>."""
        self._events.append(StageEvent(observe=StageEvent.Observe(name=name.encode(), value=value)))

    @classmethod
    def main(cls):
        """Serves the daemon on standard input and output until it ends."""
        _Server(cls).serve()

    @classmethod
    def try_on(cls, documents, options=None, name="stage"):
        """For tests, without a daemon: takes StageDocuments through process and settle. Answers an
        Answer for each."""
        stage = _make(cls, name, options or {})
        return list(_Trial(stage).answers(documents))


def byte_span(text, begin, end):
    """Offsets of Wiremill's (bytes of UTF-8) from those of a Python string."""
    first = len(text[:begin].encode())
    return first, first + len(text[begin:end].encode())


def cut(text, span):
    """What stands in a span of Wiremill's (with begin and end, in bytes)."""
    return text.encode()[span.begin:span.end].decode()


def _settles(cls):
    return hasattr(cls, "settle")


def _describe(cls):
    return StageDescriptor(
        protocol=PROTOCOL, id=cls.id, version=cls.version, summary=cls.summary or "",
        state_version=cls.state_version, required=cls.required, used=cls.used,
        provided=cls.provided, options=[option.row for option in cls.option_table],
        settles=_settles(cls), reads_body=cls.reads_body)


def _default(row):
    """Of an option, where no daemon reads it; durations and sizes are tried with plain numbers."""
    if not row.HasField("default_value"):
        raise Refused(f"option '{row.name}' is required")
    text = row.default_value
    return text if row.type == _TYPES.Value("STRING") else json.loads(text)


def _make(cls, name, options):
    values = {option.row.name: options[option.row.name] if option.row.name in options
              else _default(option.row) for option in cls.option_table}
    unknown = set(options) - set(values)
    if unknown:
        raise Refused(f"unknown option '{min(unknown)}'")
    return cls(name, values)


def _run(stage, step, document, output, *state):
    try:
        step(document, output, *state)
    except Exception as error:  # noqa: BLE001: whatever a stage throws is the document's failure
        traceback.print_exc()
        output.failed("EXCEPTION", f"{type(error).__name__}: {error}"[:1000])
    output.events += stage._events
    stage._events = []


class _Server:
    def __init__(self, cls):
        self.cls = cls
        # Standard output is for messages alone; what is printed goes to standard error.
        self.input = os.fdopen(os.dup(0), "rb")
        self.output = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def read(self):
        head = self.input.read(4)
        if len(head) < 4:
            sys.exit(0)  # the daemon is gone
        return StageRequest.FromString(self.input.read(int.from_bytes(head, "big")))

    def write(self, **what):
        message = StageResponse(**what).SerializeToString()
        if len(message) > MESSAGE_BYTES_MAX:
            raise ValueError(f"{len(message)} bytes said of one document, over the limit")
        self.output.write(len(message).to_bytes(4, "big") + message)
        self.output.flush()

    def say(self, output):
        self.write(events=StageResponse.Events(list=output.events))
        output.events.clear()

    def serve(self):
        self.read()  # hello
        self.write(hello=_describe(self.cls))
        request = self.read().start
        try:
            stage = self.cls(request.stage, {value.name: self.value(value)
                                             for value in request.options})
        except Exception as error:  # noqa: BLE001: why is for the daemon to show
            traceback.print_exc()
            self.write(refused=str(error) or type(error).__name__)
            sys.exit(1)
        self.write(started=StageResponse.Started())
        deadline_us = request.deadline_us
        while True:
            request = self.read()
            output = Output(deadline_us)
            if request.HasField("process"):
                _run(stage, stage.process, request.process, output)
            else:
                state = State(output, lambda event: self.ask(output, event))
                _run(stage, stage.settle, request.settle, output, state)
            self.say(output)

    def ask(self, output, event):
        output.events.append(event)
        self.say(output)
        reply = self.read().reply
        if reply.error:
            raise RuntimeError(f"the state cannot be read (error {reply.error})")
        return reply

    @staticmethod
    def value(value):
        kind = _TYPES.Name(value.type)
        if kind == "STRING":
            return value.text
        if kind == "STRINGS":
            return list(value.texts)
        if kind == "NUMBER":
            return value.number
        return bool(value.integer) if kind == "BOOL" else value.integer


class Answer:
    """What a stage said of a document in try_on: `verdict` (OK, SKIP, …), `code`, `message`, the
    `extension` as Python values (or None), and all `events`, in their order."""

    def __init__(self, events):
        self.verdict, self.code, self.message, self.extension = "OK", "", "", None
        self.events = events
        for event in events:
            if event.HasField("verdict"):
                self.verdict = StageEvent.Verdict.Kind.Name(event.verdict.kind)
                self.code, self.message = event.verdict.code.decode(), event.verdict.message.decode()
            elif event.HasField("extension"):
                self.extension = json.loads(event.extension)
        if self.verdict != "OK":
            self.extension = None


class _TrialState(State):
    def __init__(self, values):
        self.values = values

    def get_many(self, keys):
        return [self.values.get(key) for key in keys]

    def put(self, key, value):
        self.values[key] = value

    def remove(self, key):
        self.values.pop(key, None)

    def scan(self, prefix=b"", start=b""):
        for key in sorted(self.values):
            if key.startswith(prefix) and key >= start:
                yield key, self.values[key]


class _Trial:
    """Process, then settle, of one document after the other, with a state in memory."""

    def __init__(self, stage):
        self.stage = stage
        self.values = {}

    def answers(self, documents):
        for document in documents:
            output = Output()
            _run(self.stage, self.stage.process, document, output)
            events = output.events
            if _settles(self.stage) and Answer(events).verdict in ("OK", "SKIP"):
                events = events + self.settle(document, events)
            yield Answer(events)

    def settle(self, document, said):
        document = StageDocument.FromString(document.SerializeToString())
        for event in said:
            if event.HasField("carry"):
                document.carry = event.carry
        output, values = Output(), dict(self.values)
        _run(self.stage, self.stage.settle, document, output, _TrialState(values))
        if Answer(output.events).verdict in ("OK", "SKIP", "DROP"):
            self.values = values
        return output.events
