"""The tests of the logs and the state store on a disk of their own making, in their long form. Part of
torture.py; ctest runs the short form, so the short form here leaves them out.
"""

import os
import subprocess

from outcome import Outcome

# The program, the environment variable that says how often, and how often.
PROGRAMS = (("storage_power_cut_test", "WIREMILL_IMAGES", 100_000),
            ("ledger_power_cut_test", "WIREMILL_IMAGES", 20_000),
            ("log_damage_test", "WIREMILL_DAMAGED_IMAGES", 10_000),
            ("log_model_test", "WIREMILL_MODEL_STEPS", 1_000_000),
            ("log_failure_test", None, None),
            ("log_fault_test", None, None),
            ("kernel_fault_test", None, None),
            ("log_crash_test", None, None),
            ("state_store_crash_test", None, None))


def run(options):
    if options.short:
        return Outcome("left to ctest in the short form", "by ctest")
    outcome = Outcome()
    for program, variable, count in PROGRAMS:
        environment = {**os.environ, variable: str(count)} if variable else None
        done = subprocess.run([os.path.join(options.tests, program)], env=environment, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, flush=True)
        if done.returncode != 0:
            outcome.note("storage", f"{program} ended with {done.returncode}")
    outcome.brief = ", ".join(f"{program} {count or 'all'}" for program, _, count in PROGRAMS)
    outcome.summary = outcome.brief
    return outcome
