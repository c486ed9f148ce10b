#!/usr/bin/python3
"""documented_examples.py BUILD_FOLDER SOURCE_FOLDER: runs what README.md and docs/protocol.md show,
against a daemon of its own, and compares what comes out with what the pages say. Run by ctest.
"""
import json
import os
import re
import select
import subprocess
import sys
import tempfile

build, source = sys.argv[1:]
environment = os.environ | {"PYTHONPATH": f"{build}/share/wiremill/python"}
rooms = ("intake", "feed", "replay", "firehose", "admin")


def read(path):
    with open(f"{source}/{path}", encoding="utf-8") as file:
        return file.read()


def run(*command, **options):
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60,
                         **options)
    assert ran.returncode == 0, f"{command[0]} ended with {ran.returncode}: {ran.stderr}"
    return ran.stdout


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


class Daemon:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        config = f"{self.folder.name}/wiremill.yaml"
        with open(config, "w", encoding="utf-8") as file:
            file.writelines(f"{room}: {{endpoint: 'tcp://127.0.0.1:*'}}\n" for room in rooms)
        self.process = subprocess.Popen(
            [f"{build}/bin/wiremilld", "--config", config, "--state",
             f"{self.folder.name}/state"],
            stderr=subprocess.PIPE, text=True)
        serving = next(line for line in self.process.stderr if '"serving: ' in line)
        self.endpoints = dict(re.findall(r"(\w+) (tcp://[\d.:]+)", json.loads(serving)["message"]))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=60)
        self.folder.cleanup()
        assert self.process.returncode == 0, self.process.returncode

    def here(self, code):
        for room, default in zip(rooms, (5750, 5751, 5752, 5753)):
            code = code.replace(f'"tcp://127.0.0.1:{default}"', f'"{self.endpoints[room]}"')
        return code


def check_protocol(page):
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert len(examples) == len(blocks(page, "python")) == 4, "each example has its output"
    with Daemon() as daemon:
        for code, expected in examples:
            if "ReplayRequest" in code:  # the results of the examples before are to be there
                run(f"{build}/bin/wiremill", "tail", "--replay", daemon.endpoints["replay"],
                    "--since", "first", "--count", "4")
            printed = run(sys.executable, "-c", daemon.here(code))
            assert printed == expected, f"the page says:\n{expected}\nprinted was:\n{printed}"


def check_result(page):
    """What stands between the page's omissions (…) comes in that order in the true result."""
    (shown,) = blocks(page, "json")
    (file,) = re.findall(r"--format json (\S+)", page)[:1]
    true = run(f"{build}/bin/wiremill", "run", "--format", "json", file,
               cwd=f"{source}/tests/data/articles").replace(" ", "").replace("\n", "")
    position = 0
    for part in shown.split("…"):
        part = part.replace(" ", "").replace("\n", "")
        found = true.find(part, position)
        assert found >= 0, f"not in the result of {file}: {part}"
        position = found + len(part)
    assert position == len(true), "the result goes on behind what is shown"


def check_python(page):
    push, subscribe = blocks(page, "python")
    with Daemon() as daemon:
        subscriber = subprocess.Popen([sys.executable, "-c", daemon.here(subscribe)],
                                      env=environment, stdout=subprocess.PIPE, text=True)
        try:
            heard, sent = [], 0
            while not heard:  # until it has connected; ctest ends a hang
                sent += 1
                code = daemon.here(push).replace('"rain"', f'"rain{sent}"')
                printed = run(sys.executable, "-c", code)
                assert printed == f"{{'ack': {{'sequence': {sent}, 'id': 'rain{sent}'}}}}\n", printed
                heard, _, _ = select.select([subscriber.stdout], [], [], 0.5)
            line = subscriber.stdout.readline()
            assert re.fullmatch(r"\d+ en/example.org/ Rain fell in Oslo on Monday\.\n", line), line
        finally:
            subscriber.terminate()
            subscriber.wait()


readme = read("README.md")
check_protocol(read("docs/protocol.md"))
check_result(readme)
check_python(readme)
assert blocks(readme, "cpp") == [read("tests/install/plugin/reading_time.cpp")]
assert blocks(readme, "cmake") == [read("tests/install/plugin/CMakeLists.txt")]
