"""The README's Python blocks run, in order, and print what stands below them, numbers with a tolerance."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def printed_and_shown(text: str) -> list[tuple[str, str]]:
    """Run every Python block in one namespace; return what each printed, with the text block that follows it."""
    blocks, pairs, namespace = (
        BLOCK.findall(text),
        [],
        {"__name__": "__main__"},
    )  # backtrader looks a class up by its module
    for (kind, code), (next_kind, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, "README.md", "exec"), namespace)
            pairs.append((output.getvalue(), shown if next_kind == "text" else ""))
    return pairs


def test_the_readme_prints_what_it_shows(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = printed_and_shown(README.read_text(encoding="utf-8"))
    assert sum(bool(shown) for _, shown in pairs) == 2
    for printed, shown in pairs:
        # The words and the shape are the same; a number may differ in what another processor rounds otherwise.
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
        numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (printed, shown)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.05, abs=0.05)
    assert (tmp_path / "reports" / "first" / "report.json").is_file()
    assert (tmp_path / "linear.csv").is_file()
