"""Documents that make a stage die, hang or eat memory, one in a hundred, through the default stages and
a stage of their own in a process of its own (`isolation: process`). Part of torture.py.

Every poison document ends as DEAD with its reason, every other one as PROCESSED, and the daemon is the
same process afterwards. The long form asks for 0.70 of the throughput of the same documents without
poison; the short form, which may fall on a busy machine, only shows it, with a deadline of 1 s.
"""

import json
import os
import statistics
import subprocess
import time

import daemon as daemons
from outcome import Outcome

# What the body asks the stage to do (daemon/pipeline/probe_plugin.cpp), and the code that it must get.
DEATHS = {"die by a wild pointer": "CRASHED", "die by abort": "CRASHED",
          "die by a loop": "DEADLINE", "die by memory": "MEMORY",
          "die by a full stack": "CRASHED", "die by exit": "CRASHED",
          "die by closing": "CRASHED", "die by forks": "CRASHED", "die by overrun": "CRASHED"}
IN_SETTLE = "in settle: "
POISONS = DEATHS | {IN_SETTLE + death: code for death, code in DEATHS.items()}
# An allocator that a wild write broke may also find out by hanging, or an exhausted one by failing.
ALSO = {"die by memory": {"DEADLINE", "CRASHED"}, "die by overrun": {"DEADLINE"}}
SHARE = 100
RATE_MIN = 0.70
STAGES = """\
stages:
  - name: clean
  - name: language
  - name: entities
  - name: duplicates
  - name: summary
  - {name: poison, plugin: %s, isolation: process, deadline: %s, memory_bytes_max: 256MiB,
     crashes_max: 1000000}
"""


ARTICLES = os.path.join(os.path.dirname(__file__), "..", "data", "articles")
SENTENCES = 25  # of a document: about 4 KB


def make_documents(count, poisoned, random):
    """Sentences of the sample articles in any order."""
    sentences = []
    for name in sorted(os.listdir(ARTICLES)):
        if name.endswith(".txt"):
            with open(os.path.join(ARTICLES, name), errors="replace") as file:
                sentences += [line for line in file.read().replace(". ", ".\n").splitlines()
                              if len(line) > 60]
    kinds = list(POISONS)
    documents = []
    for i in range(count):
        body = " ".join(random.sample(sentences, SENTENCES))
        if poisoned and i % SHARE == SHARE // 2:
            body = kinds[i // SHARE % len(kinds)]
        documents.append({"id": f"document-{i}", "source": "poison.example", "body": body})
    return documents


def run_once(options, outcome, documents, plugin):
    """Results by id, and documents a second from the first push to the last result."""
    with outcome.folder() as folder:
        config = daemons.configuration("", "segment_bytes: 16MiB").rsplit("stages:", 1)[0]
        deadline = "1s" if options.short else "100ms"
        daemon = daemons.Daemon(options.daemon, folder, config + STAGES % (plugin, deadline))
        if not daemon.wait_serving():
            outcome.note("not started", daemon.tail())
            return {}, 0.0
        path = os.path.join(folder, "documents.jsonl")
        with open(path, "w") as file:
            file.writelines(json.dumps(each) + "\n" for each in documents)
        program = os.path.join(os.path.dirname(options.daemon), "wiremill")
        begin = time.monotonic()
        with open(os.path.join(folder, "results.jsonl"), "w+") as results:
            tail = subprocess.Popen([program, "tail", "--replay", daemon.replay, "--since", "first",
                                     "--count", str(len(documents)), "--format", "json"], stdout=results)
            push = subprocess.run([program, "push", "--intake", daemon.intake, path],
                                  stdout=subprocess.DEVNULL, check=False)
            tail.wait(timeout=60 + len(documents))
            took = time.monotonic() - begin
            results.seek(0)
            found = {}
            for line in results:
                result = json.loads(line)
                if result["id"] in found:
                    outcome.note("twice", result["id"])
                found[result["id"]] = result
        if push.returncode != 0 or tail.returncode != 0:
            outcome.note("unfinished", f"push {push.returncode}, tail {tail.returncode}: {daemon.tail()}")
        if daemon.died():
            outcome.note("daemon died", daemon.tail())
        daemon.drain()
        return found, len(documents) / took


def judge(outcome, documents, found):
    for each in documents:
        result = found.get(each["id"])
        wanted = POISONS.get(each["body"])
        if result is None:
            outcome.note("lost", each["id"])
        elif wanted is None and result["status"] != "PROCESSED":
            outcome.note("dead", f"{each['id']}: {result.get('failure')}")
        elif wanted is not None:
            failure = result.get("failure", {})
            codes = {wanted} | ALSO.get(each["body"].removeprefix(IN_SETTLE), set())
            if result["status"] != "DEAD" or failure.get("code") not in codes:
                outcome.note("poison", f"{each['body']}: {result['status']} {failure}")


def run(options):
    outcome = Outcome()
    count, rounds = (3_000, 1) if options.short else (100_000, 1)
    plugin = os.path.abspath(os.path.join(options.build, "daemon", "pipeline", "probe.so"))
    ratios, rates = [], []
    for _ in range(rounds):
        documents = make_documents(count, True, options.random)
        clean = make_documents(count, False, options.random)
        _, plain_rate = run_once(options, outcome, clean, plugin)
        found, rate = run_once(options, outcome, documents, plugin)
        judge(outcome, documents, found)
        rates.append(rate)
        ratios.append(rate / plain_rate if plain_rate else 0.0)
    ratio = statistics.median(ratios)
    poisons = sum(each["body"] in POISONS for each in documents)
    if not options.short and ratio < RATE_MIN:
        outcome.note("slow", f"{ratio:.2f} of the throughput without poison")
    outcome.acknowledged = 2 * count * rounds
    outcome.brief = f"{poisons} poisons dead, {ratio:.2f} of the rate"
    outcome.summary = (f"{count} documents, {poisons} of them poison, {statistics.median(rates):.0f}/s, "
                       f"{ratio:.2f} of the rate without")
    return outcome
