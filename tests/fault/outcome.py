"""What a test of torture.py answers, and the folder that it works in."""

import contextlib
import dataclasses
import shutil
import tempfile


@dataclasses.dataclass
class Outcome:
    summary: str = ""    # a line of its own
    brief: str = "ok"    # for the last line of all
    cycles: int = 0
    acknowledged: int = 0
    findings: dict = dataclasses.field(default_factory=dict)  # violations by kind; none: it holds

    def note(self, kind, message):
        self.findings[kind] = self.findings.get(kind, 0) + 1
        print(f"{kind}: {message}", flush=True)

    @contextlib.contextmanager
    def folder(self, parent=None):
        """Kept where there is something to look for."""
        folder = tempfile.mkdtemp(prefix="wiremill-torture-", dir=parent)
        yield folder
        if self.findings:
            print(f"logs, state and record are kept in {folder}", flush=True)
        else:
            shutil.rmtree(folder)
