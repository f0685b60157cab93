"""The pytest plugin: after the tests, a table of what each output of each loss and format reached.

Installed packages load it by their entry point; otherwise `pytest -p lossproof.plugin`.
"""

from . import golden
from .judge import LEVELS

_seen = {}


def _watch(case, verdicts):
    for name, verdict in verdicts.items():
        if verdict.level is None or verdict.demanded is None:
            continue
        key = (case.loss, case.format, name)
        tests, level, failed = _seen.get(key, (0, "correct", 0))
        _seen[key] = (tests + 1, max(level, verdict.level, key=LEVELS.index), failed + (not verdict.holds))


def pytest_configure(config):
    if _watch not in golden._watchers:
        golden._watchers.append(_watch)


def pytest_terminal_summary(terminalreporter):
    if not _seen:
        return
    terminalreporter.section("lossproof")
    rows = [("loss", "format", "output", "level", "tests", "verdict")]
    for (loss, format, name), (tests, level, failed) in sorted(_seen.items()):
        rows.append((loss, format, name, level, str(tests), f"{failed} fail" if failed else "holds"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
