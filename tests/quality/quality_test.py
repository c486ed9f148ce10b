"""What `make quality` marks and how it ends, with made-up measuring programs in place of the stages'."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import quality
from measures import PROGRAMS, Program


def printing(line, peers=("m",), **more):
    """A program that prints a line, tabs given as |."""
    text = line.replace("|", "\\t")
    return Program("stage", f"printf '{text}\\n'", more.pop("needs", []), dict.fromkeys(peers, "-"), **more)


class MakeQuality(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = folder.name

    def measure(self, *programs, data=None, short=False):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = quality.measure(programs, "build", data or self.data, short)
        return code, out.getvalue()

    def test_a_row_at_its_must_is_fine(self):
        code, out = self.measure(printing("quality|m|0.90|0.90|0.95"))
        self.assertEqual(code, 0)
        self.assertNotIn(quality.BELOW_MUST, out)
        self.assertNotIn("aim reached", out)

    def test_a_row_below_its_must_is_marked_and_fails(self):
        code, out = self.measure(printing("quality|m|0.899|0.90|0.95"))
        self.assertEqual(code, 1)
        [row] = [line for line in out.splitlines() if quality.BELOW_MUST in line]
        self.assertEqual(row.split(), ["m", "-", "0.899", "0.90", "0.95", "BELOW", "MUST"])

    def test_one_bad_row_among_good_ones_fails(self):
        code, out = self.measure(printing("quality|m|1|0|1"), printing("quality|n|0|1|1", ["n"]),
                                 printing("quality|o|1|0|1", ["o"]))
        self.assertEqual(code, 1)
        self.assertEqual(out.count(quality.BELOW_MUST), 1)
        self.assertEqual(out.count("aim reached"), 2)

    def test_less_is_better_where_the_aim_is_below_the_must(self):
        self.assertEqual(self.measure(printing("quality|m|0.031|0.03|0.01"))[0], 1)
        self.assertEqual(self.measure(printing("quality|m|0.030|0.03|0.01"))[0], 0)
        self.assertIn("aim reached", self.measure(printing("quality|m|0.009|0.03|0.01"))[1])

    def test_what_is_no_number_is_below_any_must(self):
        self.assertEqual(self.measure(printing("quality|m|nan|0.9|0.95"))[0], 1)

    def test_a_malformed_line_fails(self):
        for line in ("quality|m|0.9|0.5", "quality|m|much|0.5|0.9", "quality|m|1|0.5|0.9|x"):
            code, out = self.measure(printing(line, []))
            self.assertEqual(code, 1, line)
            self.assertIn("malformed line", out)

    def test_a_row_that_does_not_come_fails(self):
        code, out = self.measure(printing("m is 0.99, surely"))
        self.assertEqual(code, 1)
        self.assertIn("stage: m: not measured", out)

    def test_a_program_that_fails_fails_all_and_its_words_are_shown(self):
        code, out = self.measure(Program("stage", "echo because; exit 3 | cat", [], {}))
        self.assertEqual(code, 1)
        self.assertIn("exit code 3", out)
        self.assertIn("| because", out)

    def test_the_command_and_the_peers_stand_with_the_row(self):
        program = Program("stage", "printf 'quality\\tm\\t1\\t0\\t2\\n' {build} {data}", [], {"m": "other .5"})
        out = self.measure(program)[1]
        self.assertIn(f"stage: printf 'quality\\tm\\t1\\t0\\t2\\n' build {self.data}\n", out)
        self.assertIn("other .5", out)

    def test_no_data_at_all_is_skipped_and_says_so(self):
        code, out = self.measure(printing("quality|m|0|1|1"), data=self.data + "/none")
        self.assertEqual(code, 0)
        self.assertIn("skipped", out)

    def test_a_program_whose_data_is_absent_is_left_out_and_named(self):
        pathlib.Path(self.data, "here").touch()
        code, out = self.measure(printing("quality|m|0|1|1", needs=["here", "gone"]),
                                 printing("quality|n|1|1|1", ["n"], needs=["here"]))
        self.assertEqual(code, 0)
        self.assertIn("stage: there is no " + self.data + "/gone", out)
        self.assertIn("1 rows measured, 0 faults", out)

    def test_the_short_form_leaves_the_long_ones_out(self):
        long = printing("quality|m|0|1|1", long=True)
        self.assertEqual(self.measure(long, short=True)[0], 0)
        self.assertEqual(self.measure(long)[0], 1)

    def test_the_short_form_judges_no_speed(self):
        program = printing("quality|m|0|1|1", speeds=("m",))
        self.assertEqual(self.measure(program, short=True)[0], 0)
        self.assertEqual(self.measure(program)[0], 1)

    def test_every_program_names_its_measures(self):
        for program in PROGRAMS:
            self.assertTrue(program.peers, program.name)


if __name__ == "__main__":
    unittest.main()
