#!/usr/bin/env python3
"""Measures the stages beside other tools, in one run on one machine; run.sh installs those and calls it.

    peers.py BUILD DATA PEERS [--short] [--only TABLE]

Prints the tables of bench/RESULTS.md. A tool that cannot be loaded is left out and named on standard
error. Every tool runs on one thread, and its processor time is what counts; each has the better of
two rounds, taken in turns with the others. --short: a few inputs, to see that it works.
"""

import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "quality"), str(ROOT / "plugins" / "clean" / "measure")]

import languages  # noqa: E402
import pages  # noqa: E402
import sentences  # noqa: E402

TABLES = {"pages": pages.table, "sentences": sentences.table, "languages": languages.table}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("peers", type=pathlib.Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", choices=TABLES)
    options = parser.parse_args()
    print(f"Load average at the start {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    for name, table in TABLES.items():
        if options.only in (None, name):
            heading, *rows = table(options)
            print("| " + " | ".join(heading) + " |\n|---" + "|--:" * (len(heading) - 1) + "|")
            print("".join("| " + " | ".join(row) + " |\n" for row in rows), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
