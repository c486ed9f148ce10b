#!/usr/bin/python3
"""Every fault test that needs the real daemon, one after the other: `make torture`, with SHORT=1 the
form that CI runs, with ONLY=kill,churn some of them. The last line says cycles, acknowledged, lost;
exit 0 only if all holds.

    tests/fault/torture.py BUILD_FOLDER [--short] [--only kill,churn] [--cycles N] [--documents N]

Each test is a file here with a function run(options), which answers an Outcome.
"""

import argparse
import os
import random
import sys
import time

import churn
import clock_jumps
import disk_full
import fail_points
import kill_load
import poison
import reload
import slow_subscriber
import storage

TESTS = {"kill": kill_load, "fail_points": fail_points, "storage": storage, "disk_full": disk_full,
         "slow_subscriber": slow_subscriber, "clock_jumps": clock_jumps, "churn": churn,
         "poison": poison, "reload": reload}


def names(text):
    given = text.split(",")
    for name in given:
        if name not in TESTS:
            raise argparse.ArgumentTypeError(f"no test '{name}'; there are {', '.join(TESTS)}")
    return given


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", help="such as build/release")
    parser.add_argument("--short", action="store_true", help="the form that CI runs")
    parser.add_argument("--only", type=names, default=list(TESTS), help="some of " + ",".join(TESTS))
    parser.add_argument("--cycles", type=int, help="of kill; 1000, short 25")
    parser.add_argument("--documents", type=int, help="of kill: acknowledged at least; 5000000, short 20000")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    tests = os.path.join(options.build, "tests")
    options.daemon = os.path.join(options.build, "bin", "wiremilld")
    options.mutant = os.path.join(tests, "wiremilld_mutant")
    options.load = os.path.join(tests, "torture_load")
    options.tests = tests
    print(f"torture: seed {options.seed}", flush=True)

    findings, summaries = {}, []
    totals = {"cycles": 0, "acknowledged": 0}
    for name in options.only:
        begin = time.monotonic()
        options.random = random.Random(f"{options.seed} {name}")
        outcome = TESTS[name].run(options)
        print(f"torture: {name}: {outcome.summary} ({time.monotonic() - begin:.0f} s)"
              + "".join(f", {kind} {count}" for kind, count in outcome.findings.items()), flush=True)
        for kind, count in outcome.findings.items():
            findings[kind] = findings.get(kind, 0) + count
        totals["cycles"] += outcome.cycles
        totals["acknowledged"] += outcome.acknowledged
        summaries.append(f"{name} {'FAILED' if outcome.findings else outcome.brief}")
    shown = {kind: findings.pop(kind, 0) for kind in ("lost", "twice", "gap", "dead")}
    counts = ", ".join(f"{kind} {count}" for kind, count in {**totals, **shown, **findings}.items())
    print(f"torture: {counts}; {'; '.join(summaries)}", flush=True)
    return 1 if findings or any(shown.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
