"""What the tables of peers.py share: which tools are here, and how one is timed."""

import importlib
import importlib.metadata
import sys
import time

ROUNDS = 2


def loaded(module, package):
    """The module and its package's name and version; None where it cannot be had."""
    try:
        return importlib.import_module(module), f"{package} {importlib.metadata.version(package)}"
    except ImportError as error:
        print(f"bench-peers: without {package}: {error}", file=sys.stderr)
        return None, None


def timed(call, inputs):
    """What the call answers for each input, and the processor seconds of this process."""
    begin = time.process_time()
    answers = [call(text) for text in inputs]
    return answers, time.process_time() - begin


def rounds(runs, short):
    """{name: (answers, least seconds)} of {name: run}, where run() answers such a pair."""
    best = {}
    for _ in range(1 if short else ROUNDS):
        for name, run in runs.items():
            answers, seconds = run()
            best[name] = (answers, min(seconds, best.get(name, (None, seconds))[1]))
    return best
