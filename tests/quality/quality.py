#!/usr/bin/python3
"""Prints how good the stages are beside what they must reach; `make quality` calls it.

    quality.py BUILD [--data FOLDER] [--short]

The measuring programs of the stages do the work. Among other words each prints, for every measure,

    quality <TAB> measure <TAB> value <TAB> must <TAB> aim

and this program sets the figures of other tools beside them (measures.py has those, and the command
of each program, which repeats its rows when typed by hand). An aim below its must says that less is
better. Exit code 1: a row is below its must or did not come, a line is malformed, or a program
failed. Programs whose data is absent are left out and named; with no data at all this says so and
ends with 0.
"""

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys

from measures import KEPT_ELSEWHERE, PROGRAMS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BELOW_MUST = "BELOW MUST"


@dataclasses.dataclass
class Row:
    measure: str
    value: str
    must: str
    aim: str

    def verdict(self):
        value, must, aim = float(self.value), float(self.must), float(self.aim)
        sign = -1 if aim < must else 1
        if sign * value >= sign * aim:
            return "aim reached"
        return "" if sign * value >= sign * must else BELOW_MUST


def parse(output):
    """The rows in a program's output, and what was wrong with it."""
    rows, faults = [], []
    for line in output.splitlines():
        if not line.startswith("quality\t"):
            continue
        try:
            row = Row(*line.split("\t")[1:])
            row.verdict()
            rows.append(row)
        except (TypeError, ValueError):
            faults.append(f"malformed line: {line!r}")
    return rows, faults


def table(rows, peers):
    """Lines of the rows beside the peers' figures, with a heading."""
    cells = [("measure", "other tools", "measured", "must", "aim", "")]
    cells += [(row.measure, peers.get(row.measure, "-"), row.value, row.must, row.aim,
               row.verdict()) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    return ["  " + "  ".join(
        text.ljust(width) if column in (0, 1, 5) else text.rjust(width)
        for column, (text, width) in enumerate(zip(line, widths))).rstrip() for line in cells]


def execute(command):
    """The finished program, what it wrote on either stream in its stdout."""
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})


def measured(name, build, data):
    """{measure: value} of the program of that name and all that it wrote, for bench/peers."""
    [program] = [program for program in PROGRAMS if program.name == name]
    output = execute(program.command.format(build=build, data=data)).stdout
    return {row.measure: float(row.value) for row in parse(output)[0]}, output


def run(program, build, data, short):
    """Prints a program's table; answers how many rows it has and what was wrong."""
    command = program.command.format(build=build, data=data)
    print(f"{program.name}: {command}")
    result = execute(command)
    rows, faults = parse(result.stdout)
    left_out = program.speeds if short else ()
    rows = [row for row in rows if row.measure not in left_out]
    print("\n".join(table(rows, program.peers)))
    faults += [f"{row.measure}: {row.value}, must be {row.must}" for row in rows
               if row.verdict() == BELOW_MUST]
    faults += [f"{measure}: not measured" for measure in program.peers
               if measure not in {row.measure for row in rows}.union(left_out)]
    if result.returncode != 0:
        faults.append(f"exit code {result.returncode}")
        print("".join(f"  | {line}\n" for line in result.stdout.splitlines()[-20:]), end="")
    print(flush=True)
    return len(rows), [f"{program.name}: {fault}" for fault in faults]


def measure(programs, build, data, short):
    """The exit code."""
    if not (ROOT / data).is_dir():
        print(f"quality: skipped, there is no {data}")
        return 0
    measured, faults, left_out = 0, [], []
    for program in programs:
        absent = [need for need in program.needs if not (ROOT / data / need).exists()]
        if absent:
            left_out.append(f"{program.name}: there is no {data}/{absent[0]}")
        elif short and program.long:
            left_out.append(f"{program.name}: not in the short form")
        else:
            rows, wrong = run(program, build, data, short)
            measured += rows
            faults += wrong
    for heading, lines in (("Left out", left_out), ("Wrong", faults)):
        if lines:
            print(heading + ":\n" + "".join(f"  {line}\n" for line in lines))
    print(KEPT_ELSEWHERE)
    print(f"quality: {measured} rows measured, {len(faults)} faults")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", help="the build folder, from the repository's root")
    parser.add_argument("--data", default="../shared/data", help="the folder of the public sets")
    parser.add_argument("--short", action="store_true", help="without what depends on the machine's speed")
    options = parser.parse_args()
    return measure(PROGRAMS, options.build, options.data, options.short)


if __name__ == "__main__":
    sys.exit(main())
