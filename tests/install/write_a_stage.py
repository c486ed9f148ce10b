#!/usr/bin/python3
"""write_a_stage.py BUILD_FOLDER SOURCE_FOLDER: follows docs/write-a-stage.md as a fresh reader would.

Its blocks are taken in their order, in one shell, in an empty home folder: `sh` is run, a block with a
file's name is written to that file, `text` is what the last `sh` must have printed, with … for anything.
Run by ctest.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

build, source = sys.argv[1:]


def steps(page):
    """(kind, file name or "", text) of each fenced block."""
    return re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def script(blocks, folder):
    """The page as one script; what block i prints goes to the file i."""
    lines = ["set -eu"]
    for i, (kind, file, text) in enumerate(blocks):
        held = f"{folder}/block-{i}"
        if kind == "sh":
            lines.append(f"{{\n{text}\n}} >{held} 2>&1")
        elif file:
            with open(held, "w", encoding="utf-8") as out:
                out.write(text)
            lines.append(f"cp {held} {shlex.quote(file)}")
        else:
            assert kind == "text", f"a block of {kind} without a file's name"
    return "\n".join(lines)


def check(expected, printed):
    parts = [r"\s+".join(map(re.escape, part.split())) for part in expected.split("…")]
    assert re.fullmatch(r"\s*" + r".*?\s*".join(parts) + r"\s*", printed, re.DOTALL), (
        f"the page says:\n{expected}\nprinted was:\n{printed}")


with open(f"{source}/docs/write-a-stage.md", encoding="utf-8") as file:
    blocks = steps(file.read())
assert sum(kind == "sh" for kind, _, _ in blocks) >= 8, "the page's blocks are not found"
with tempfile.TemporaryDirectory() as folder:
    home = f"{folder}/home"
    os.makedirs(f"{home}/build")
    os.symlink(build, f"{home}/build/release")
    environment = {"HOME": home, "PATH": os.environ["PATH"], "CXXFLAGS": "-Werror", "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(["bash", "-c", script(blocks, folder)], cwd=home, env=environment, text=True,
                         capture_output=True, timeout=500, check=False)
    last = None
    for i, (kind, file, text) in enumerate(blocks):
        if kind == "sh":
            held = f"{folder}/block-{i}"
            assert os.path.exists(held), f"the page's script ended before:\n{text}\n{ran.stderr}"
            with open(held, encoding="utf-8") as out:
                last = out.read()
            more = any(os.path.exists(f"{folder}/block-{j}") for j in range(i + 1, len(blocks))
                       if blocks[j][0] == "sh")
            assert more or ran.returncode == 0, f"this failed:\n{text}\n{last}\n{ran.stderr}"
        elif not file:
            check(text, last)
    assert ran.returncode == 0, ran.stderr
