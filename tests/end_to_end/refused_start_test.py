"""A configuration or a machine that will not do is refused at start, everything at once, with nothing
half started."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

from harness import (ABI_MISMATCH, PROBE, SOURCE, WIREMILL, WIREMILLD, Daemon, EndToEndTest,
                     article, document, endpoints, own_address, run_program, wiremill)

CONFIG_WRONG, IO_FAILED = 78, 74


class RefusedTest(EndToEndTest):
    def write(self, stages, head=""):
        path = self.folder / "wrong.yaml"
        self.address = own_address()
        rooms = "".join(f"{room}: {json.dumps(value)}\n"
                        for room, value in endpoints(self.address).items())
        path.write_text(head + (rooms if "endpoint" not in head else "") + "stages:\n" + stages)
        return path

    def refused(self, path, *expected, exit_code=CONFIG_WRONG):
        """Every `expected` stands in what all three ways of checking say; nothing was started."""
        state = self.folder / "never"
        said = {}
        for program, arguments in ((WIREMILLD, ["--config", path, "--state", state]),
                                   (WIREMILLD, ["--check", "--config", path]),
                                   (WIREMILL, ["validate", path])):
            done = run_program(program, *arguments)
            text = done.stderr.decode()
            self.assertEqual(done.returncode, exit_code, text)
            for words in expected:
                self.assertIn(words, text)
            said[(program, arguments[0])] = {line for line in text.splitlines()
                                             if not line.startswith("wiremilld: not started")}
        self.assertEqual(len({frozenset(lines) for lines in said.values()}), 1, said)
        self.assert_nothing_started(state)

    def assert_nothing_started(self, state):
        written = {str(path.relative_to(state)) for path in state.rglob("*")} - {"LOCK"}
        self.assertEqual(written, set())
        for port in (5750, 5751, 5752, 5753, 5754):
            with socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex((self.address, port)), 0)

    def test_plugins_and_options(self):
        """Missing, of another ABI, no plugin at all, refusing, with wrong options: all at once."""
        path = self.write(f"""
  - name: clean
    options:
      hurry: true
  - name: absent
  - name: elsewhere
    plugin: ./no_such_stage.so
  - name: old
    plugin: {ABI_MISMATCH}
  - name: no_plugin
    plugin: {pathlib.Path(__file__)}
  - name: refusing
    plugin: {PROBE}
    options:
      refuse: not on a Sunday
  - name: duplicates
    options:
      near_similarity: high
      windoww: 7d
""")
        self.refused(path, "hurry", "no plugin 'absent'", "no_such_stage.so does not exist",
                     "built for ABI 2.3, this host speaks 1.3", "not on a Sunday",
                     "near_similarity", "windoww",
                     f"{path}:10:", f"{path}:11:", f"{path}:14:", f"{path}:24:", f"{path}:25:")

    def test_places(self):
        """FILE:LINE:COLUMN, in the file's order."""
        path = self.write("""\
  - name: clean
    speed: fast
  - name: clean
  - nam: language
""", head="drain_timeout: soon\nintake:\n  endpoint: tcp://0.0.0.0:5750\n  credits: 5\n")
        self.refused(path, f"{path}:1:16: drain_timeout", f"{path}:3:13: intake.endpoint",
                     "allow_unencrypted", f"{path}:4:3: ", f"{path}:7:5: ",
                     "two stages are named 'clean'", f"{path}:9:5: ")
        text = run_program(WIREMILL, "validate", path).stderr.decode()
        lines = [int(line.removeprefix(f"{path}:").split(":")[0]) for line in text.splitlines()]
        self.assertEqual(lines, sorted(lines))
        self.assertGreaterEqual(len(lines), 6)

    def test_a_stage_before_what_it_requires(self):
        path = self.write("  - name: summary\n  - name: language\n  - name: clean\n")
        self.refused(path, "stage 'summary' stands before 'clean'", "'text'",
                     "stage 'language' stands before 'clean'")

    def test_a_file_that_is_none(self):
        self.address = own_address()
        self.refused(self.folder / "absent.yaml", "absent.yaml", "No such file")
        path = self.folder / "broken.yaml"
        path.write_text("stages: [clean\nintake: {")
        self.refused(path, f"{path}:")

    def test_not_loopback(self):
        for address in ("tcp://10.1.2.3:5750", "tcp://*:5750", "tcp://[::]:5750"):
            with self.subTest(address):
                path = self.write("  []\n", head=f'intake:\n  endpoint: "{address}"\n')
                self.refused(path, address, "allow_unencrypted: true")
        path.write_text("allow_unencrypted: true\n" + path.read_text())
        self.assertEqual(run_program(WIREMILLD, "--check", "--config", path).returncode, 0)

    def test_usage(self):
        for arguments in (["--no-such-option"], ["--log-level", "loud"], ["--state"], ["surplus"]):
            with self.subTest(arguments):
                self.assertEqual(run_program(WIREMILLD, *arguments).returncode, 64)
        self.assertEqual(run_program(WIREMILLD, "--help").returncode, 0)


class MachineTest(EndToEndTest):
    def start(self, daemon, state=None):
        done = run_program(WIREMILLD, "--config", daemon.config_path, "--state",
                           state or daemon.state)
        return done.returncode, done.stderr.decode()

    def test_ports_in_use(self):
        """All of them are named, and the other daemon serves on."""
        first = self.daemon()
        second = Daemon(self.folder / "second", {"intake": first.config["intake"],
                                                 "replay": first.config["replay"]})
        code, text = self.start(second)
        self.assertEqual(code, IO_FAILED, text)
        self.assertIn(first.intake, text)
        self.assertIn("in use", text)
        self.assertEqual(self.intake(first).bare_json(body="x")["ack"]["sequence"], 1)
        self.assertEqual(first.stop(), 0)
        self.daemons.append(second)
        self.addCleanup(self._end, second)
        second.start()
        self.assertEqual(self.intake(second).bare_json(body="x")["ack"]["sequence"], 1)

    def test_two_daemons_and_one_state_folder(self):
        first = self.daemon()
        second = Daemon(self.folder / "second", {})
        code, text = self.start(second, state=first.state)
        self.assertEqual(code, IO_FAILED, text)
        self.assertIn("in use by another wiremilld", text)
        self.assertEqual(self.intake(first).bare_json(body="x")["ack"]["sequence"], 1)

    def test_state_folder_is_a_file(self):
        daemon = Daemon(self.folder / "daemon", {})
        daemon.state.write_text("a file")
        code, text = self.start(daemon)
        self.assertEqual(code, IO_FAILED, text)
        self.assertIn(str(daemon.state), text)
        self.assertEqual(daemon.state.read_text(), "a file")

    def test_configuration_and_state_folder_at_once(self):
        daemon = Daemon(self.folder / "daemon", {"stages": [{"name": "absent"}]})
        daemon.state.write_text("a file")
        code, text = self.start(daemon)
        self.assertEqual(code, CONFIG_WRONG, text)
        self.assertIn("no plugin 'absent'", text)
        self.assertIn(str(daemon.state), text)

    def test_read_only_mount(self):
        """Root writes anywhere but here."""
        daemon = Daemon(self.folder / "daemon", {})
        daemon.state.mkdir()
        mount = 'mount -t tmpfs -o ro none "$1"'
        if subprocess.run(["unshare", "-m", "sh", "-c", mount, "sh", daemon.state],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("a read-only mount cannot be made here")
        for state in (daemon.state, daemon.state / "below"):
            done = run_program("unshare", "-m", "sh", "-c", mount + ' && shift && exec "$@"', "sh",
                               daemon.state, WIREMILLD, "--config", daemon.config_path,
                               "--state", state)
            text = done.stderr.decode()
            self.assertEqual(done.returncode, IO_FAILED, text)
            self.assertIn("Read-only file system", text)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


class StoredDataTest(EndToEndTest):
    """What a daemon finds that it cannot go on with: it says what and where, changes nothing, and goes
    on once that is mended."""

    def setUp(self):
        super().setUp()
        self.one = self.daemon({"stages": []})
        self.intake(self.one).push([document(id=f"{i}", body=article(i)) for i in range(5)])
        self.results(self.one, 5)
        self.assertEqual(self.one.stop(), 0)

    def refused(self, exit_code, *expected):
        before = self.content()
        self.one.launch()
        self.assertEqual(self.one.wait(), exit_code, self.one.log_text())
        for words in expected:
            self.assertIn(words, self.one.log_text())
        self.assertIn("not started", self.one.log_text())
        self.assertEqual(self.content(), before)

    def content(self):
        """Of the logs: a refused start leaves them as they were."""
        return {path: path.read_bytes() for room in ("intake", "result")
                for path in (self.one.state / room).glob("*.seg")}

    def serves_again(self):
        self.one.start()
        self.assertEqual([each.id for each in self.results(self.one, 5)], list("01234"))
        self.assertTrue(self.intake(self.one).push([document(id="3", body=article(3))])[0].repeat)

    def test_a_log_of_another_format_version(self):
        for room in ("intake", "result"):
            segment, = (self.one.state / room).glob("*.seg")
            whole = segment.read_bytes()
            head = whole[:8] + (9).to_bytes(4, "little")
            head += crc32c(head).to_bytes(4, "little")
            segment.write_bytes(head + whole[16:2048] + head + whole[2048 + 16:])
            self.refused(65, str(segment), "format version 9; this program reads version 1")
            segment.write_bytes(whole)
        self.serves_again()

    def test_a_log_that_lost_its_end(self):
        segment, = (self.one.state / "intake").glob("*.seg")
        whole, mark = segment.read_bytes(), (self.one.state / "intake" / "MARK")
        written = mark.read_bytes()
        segment.write_bytes(whole[:4096])
        mark.unlink()
        self.one.launch()
        self.assertEqual(self.one.wait(), IO_FAILED, self.one.log_text())
        self.assertIn("there are results up to 5: the log lost its end", self.one.log_text())
        segment.write_bytes(whole)
        mark.write_bytes(written)
        self.serves_again()

    def test_a_corrupted_checkpoint(self):
        """The advice that the message gives works: the state is rebuilt from the result log."""
        state = self.one.state / "state"
        for manifest in state.glob("MANIFEST-*"):
            manifest.write_bytes(b"\x00" * 100)
        self.refused(IO_FAILED, str(state), "remove")
        shutil.rmtree(state)
        self.serves_again()

    def test_a_cursor_store_that_cannot_be_opened(self):
        done = wiremill("cursor", "set", "archive", "2", "--admin", self.one.start().admin)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.one.stop(), 0)
        cursors = self.one.state / "cursors" / "CURSORS"
        cursors.write_bytes(cursors.read_bytes().replace(b"archive", b"brchive"))
        self.refused(IO_FAILED, str(cursors), "its checksum is wrong", "begins with no cursors")
        cursors.unlink()
        self.serves_again()


class ShippedConfigurationsTest(unittest.TestCase):
    def test_are_valid(self):
        shipped = sorted((SOURCE / "config").rglob("*.yaml"))
        self.assertGreaterEqual(len(shipped), 3)
        for path in shipped:
            with self.subTest(path.name):
                done = run_program(WIREMILL, "validate", path)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertIn(b"valid", done.stdout)
                done = run_program(WIREMILLD, "--check", "--config", path)
                self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_the_embedded_one(self):
        done = run_program(WIREMILLD, "--check")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        environment = {"XDG_STATE_HOME": os.devnull}
        self.assertEqual(run_program(WIREMILLD, environment=environment).returncode, IO_FAILED)


if __name__ == "__main__":
    unittest.main()
