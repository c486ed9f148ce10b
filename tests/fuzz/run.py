#!/usr/bin/python3
"""Runs the fuzz targets, a few at a time, and prints what came of each as a table; `make fuzz` calls it.

Each target begins with the committed corpus and with what earlier runs found (FOLDER/TARGET). At the
end, unless the run is short, the latter is merged: reduced to the inputs that add coverage. A finding
(a crash, a broken invariant, a leak, 10 seconds or 2 GiB for one input) ends its target; the input is
kept under FOLDER/findings/TARGET, and the exit code is 1.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
INPUT_BYTES_MAX = {"clean": 32768, "config": 16384, "text": 8192}  # others 4096
LIMITS = ["-timeout=10", "-rss_limit_mb=2048"]


def fuzz(target, program, folder, seconds, merge):
    corpus, findings = folder / target, folder / "findings" / target
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    limits = [*LIMITS, f"-max_len={INPUT_BYTES_MAX.get(target, 4096)}", f"-artifact_prefix={findings}/"]
    committed = HERE / "corpus" / target
    with open(folder / f"{target}.log", "w", errors="replace") as log:
        process = subprocess.Popen(
            [program, *limits, f"-max_total_time={seconds}", "-print_final_stats=1", "-entropic=0",
             f"-dict={HERE / 'dictionaries' / target}.dict", corpus, committed],
            stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if merge and code == 0:
            merged = folder / f"{target}.merged"
            shutil.rmtree(merged, ignore_errors=True)
            merged.mkdir()
            if subprocess.run([program, *limits, "-merge=1", merged, corpus], stdout=log,
                              stderr=log).returncode == 0:
                shutil.rmtree(corpus)
                merged.rename(corpus)
    return code, usage.ru_utime + usage.ru_stime, sorted(set(findings.iterdir()) - before)


def figures(log):
    """Seconds, executions and the last coverage in the output of a target."""
    def last(pattern):
        return ([int(n) for n in re.findall(pattern, log)] or [0])[-1]
    executions = last(r"stat::number_of_executed_units: (\d+)") or last(r"^#(\d+)")
    return executions, last(r"cov: (\d+)"), last(r"ft: (\d+)"), last(r"Done \d+ runs in (\d+) second")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=pathlib.Path, help="folder of the targets")
    parser.add_argument("folder", type=pathlib.Path, help="where corpora and findings are kept")
    parser.add_argument("--seconds", type=int, default=3600, help="for each target")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--merge", action="store_true", help="reduce each corpus at the end")
    parser.add_argument("--only", nargs="*", help="these targets")
    arguments = parser.parse_args()
    targets = arguments.only or sorted(path.name for path in (HERE / "corpus").iterdir())
    arguments.folder.mkdir(parents=True, exist_ok=True)

    found = 0
    print(f"{'target':18}{'seconds':>8}{'of CPU':>8}{'executions':>12}{'per CPU s':>10}{'edges':>7}"
          f"{'features':>9}{'inputs':>7}{'findings':>9}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {pool.submit(fuzz, target, arguments.programs / f"fuzz_{target}", arguments.folder,
                            arguments.seconds, arguments.merge): target for target in targets}
        for run in concurrent.futures.as_completed(runs):
            target = runs[run]
            code, cpu, findings = run.result()
            log = (arguments.folder / f"{target}.log").read_text(errors="replace")
            executions, edges, features, seconds = figures(log)
            inputs = sum(1 for _ in os.scandir(arguments.folder / target))
            failed = code != 0
            print(f"{target:18}{seconds:8}{cpu:8.0f}{executions:12}{executions / max(cpu, 1):10.0f}"
                  f"{edges:7}{features:9}{inputs:7}{max(len(findings), failed):9}", flush=True)
            if failed:
                found += 1
                print("".join(log.splitlines(True)[-60:]), *findings, sep="\n", flush=True)
    print(f"{len(targets)} targets, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
