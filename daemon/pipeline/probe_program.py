"""A stage for tests as a program: does what the document's body asks for, and counts documents per
source in its state. Started by program_test and by the end-to-end tests.
"""
import mmap
import os
import random
import signal
import sys
import threading
import time

import wiremill_stage
from wiremill_stage import Option, Refused, Stage, cut
from wiremill.v1.stage_pb2 import StageResponse


class Probe(Stage):
    id = "test.program"
    version = "1.0.0"
    summary = "Does what the body asks for."
    required = ["tokens"]
    used = ["language"]
    provided = ["byline", "entities", "extensions.test.program"]
    option_table = [Option("refuse", str, "", "Why it shall refuse."),
                    Option("dies_once", str, "", "A file: where it is not there yet, it is made and "
                                                 "this process ends soon after."),
                    Option("notes", str, "", "A file for the ids of processes that it starts."),
                    Option("patience", "duration", "5s", "For nothing.", 1, 10_000),
                    Option("words", list, ["a", "b"], "For nothing.")]
    reads_body = True

    def __init__(self, name, options):
        super().__init__(name, options)
        if options["refuse"]:
            raise Refused(options["refuse"])
        if options["patience"] == 7:
            sys.exit(7)
        if options["dies_once"] and not os.path.exists(options["dies_once"]):
            open(options["dies_once"], "w").close()
            threading.Timer(1, os._exit, [9]).start()
        self.log(f"{options['patience']} {options['words']}")

    def process(self, document, output):
        body = document.body.decode(errors="replace")
        if body == "die by abort":
            os.abort()
        if body == "die by exit":
            sys.exit(3)
        if body == "die with words":
            print("the last\nwords", flush=True)  # to standard error, as everything printed
            os.kill(os.getpid(), signal.SIGTERM)
        if body == "hang":
            time.sleep(1000)
        if body.startswith("start processes"):
            children = [self.start(time.sleep, 1000) for _ in range(int(body[-1]))]
            time.sleep(0.3)  # to be counted
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        if body == "start large processes":
            for _ in range(3):
                self.start(lambda: (b"x" * (100 << 20), time.sleep(1000)))
            time.sleep(1000)
        if body == "share memory with processes":
            shared = b"x" * (100 << 20)
            children = [self.start(time.sleep, 0.5) for _ in range(3)]
            for child in children:
                os.waitpid(child, 0)
            assert len(shared) == 100 << 20
        if body == "leave the group":
            os.setpgid(0, 0)
        if body == "die by memory":
            all_of_it = []
            while True:
                all_of_it.append(b"x" * (16 << 20))
        if body == "die by shared memory":
            shared = mmap.mmap(-1, 1 << 30)
            for at in range(0, 1 << 30, 1 << 20):
                shared[at:at + (1 << 20)] = b"x" * (1 << 20)
            time.sleep(1000)
        if body == "compute":
            while True:
                pass
        if body == "print raw":
            os.write(4, b"Hello, world")  # past the helper: 3 and 4 are its own copies of 0 and 1
        if body.startswith("babble "):
            return self.babble(random.Random(body), output)
        if body == "throw":
            raise ValueError("thrown")
        if body == "bad span":
            output.byline("not to be seen")
            return output.entities([entity(0, 10_000_000)])
        if body == "drop":
            return output.drop("UNWANTED", "as asked")
        if body == "skip":
            output.byline("not to be seen")
            return output.skip()
        if body.startswith("measure "):
            value = float(body.removeprefix("measure "))
            self.gauge("last_value", value)
            self.observe("values", value)
            self.gauge("left_seconds", output.time_left())
        output.byline(body[:64])
        if document.tokens:
            token = document.tokens[0]
            assert cut(document.text, token) == document.text.split()[0], token
            output.entities([entity(token.begin, token.end)])
        output.carry(body.encode())
        self.count("seen")

    def start(self, work, *arguments):
        child = os.fork()
        if child == 0:
            work(*arguments)
            os._exit(0)
        if self.options["notes"]:
            with open(self.options["notes"], "a") as notes:
                notes.write(f"{child}\n")
        return child

    def babble(self, chance, output):
        """Answers with a message in which bytes were changed."""
        output.byline("Rain")
        output.entities([entity(0, 4)])
        output.extension({"rain": True})
        output.carry(b"rain")
        answer = StageResponse(events=StageResponse.Events(list=output.events))
        damaged = bytearray(answer.SerializeToString())
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        os.write(4, len(damaged).to_bytes(4, "big") + damaged)
        output.is_said = True

    def settle(self, document, output, state):
        if document.body == b"die in settle":
            state.put(b"gone", b"")
            os.abort()
        key = document.source.encode()
        count = int(state.get(key) or 0) + 1
        state.put(key, str(count).encode())
        while document.body == b"ask forever":
            state.get(key)
        if document.body == b"throw in settle":
            raise ValueError("thrown")
        if document.body == b"fill":
            for i in range(300):
                state.put(b"large%d" % i, bytes(10_000))
            large = dict(state.scan(b"large"))
            assert len(large) == 300 and set(large.values()) == {bytes(10_000)}
            assert state.get_many([b"large%d" % i for i in range(301)])[300] is None
            for key in large:
                state.remove(key)
        others = ["=".join([k.decode(), v.decode()]) for k, v in state.scan(b"s")]
        output.extension({"count": count, "sources": others,
                          "carried": document.carry == document.body})


def entity(begin, end):
    from wiremill.v1.document_pb2 import Entity
    return Entity(type="MISC", name="first", confidence=1,
                  mentions=[Entity.Mention(begin=begin, end=end, confidence=1)])


def say(server, output, say_it=wiremill_stage._Server.say):
    if not hasattr(output, "is_said"):
        say_it(server, output)


if __name__ == "__main__":
    wiremill_stage._Server.say = say
    Probe.main()
