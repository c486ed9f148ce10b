#!/usr/bin/python3
"""protocol_examples.py BUILD_FOLDER SOURCE_FOLDER: runs the examples of docs/protocol.md, in order,
against a daemon of its own and compares what they print with what the page says. Run by ctest.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

build, source = sys.argv[1:]
page = open(f"{source}/docs/protocol.md", encoding="utf-8").read()
examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
assert len(examples) == page.count("```python") == 3, "each example is followed by what it prints"
environment = os.environ | {"PYTHONPATH": f"{build}/python"}


def run(*command):
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, f"{command[0]} ended with {ran.returncode}: {ran.stderr}"
    return ran.stdout


with tempfile.TemporaryDirectory() as folder:
    rooms = ("intake", "feed", "replay", "firehose")
    with open(f"{folder}/wiremill.yaml", "w") as config:
        config.writelines(f"{room}: {{endpoint: 'tcp://127.0.0.1:*'}}\n" for room in rooms)
    daemon = subprocess.Popen(
        [f"{build}/bin/wiremilld", "--config", config.name, "--state", f"{folder}/state"],
        stderr=subprocess.PIPE, text=True)
    try:
        serving = next(line for line in daemon.stderr if '"serving: ' in line)
        endpoints = dict(re.findall(r"(\w+) (tcp://[\d.:]+)", json.loads(serving)["message"]))
        defaults = dict(re.findall(r"^\| (\w+) \| (tcp://[\d.:]+) ", page, re.MULTILINE))
        assert endpoints.keys() == defaults.keys() == set(rooms), (endpoints, defaults)
        for code, expected in examples:
            for room in rooms:
                code = code.replace(f'"{defaults[room]}"', f'"{endpoints[room]}"')
            if "ReplayRequest" in code:  # the results of the examples before are to be there
                run(f"{build}/bin/wiremill", "tail", "--replay", endpoints["replay"], "--since", "first",
                    "--count", "4")
            printed = run(sys.executable, "-c", code)
            assert printed == expected, f"the page says:\n{expected}\nprinted was:\n{printed}"
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60)
assert daemon.returncode == 0, daemon.returncode
