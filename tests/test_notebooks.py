"""Each notebook equals its source and runs, and prints what it shows."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NUMBER = re.compile(r"-?\d+\.?\d*")


def shown(cell: nbformat.NotebookNode) -> list[str]:
    """The text that a cell printed or returned; a picture counts as one."""
    told = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            told.append("picture")
        elif "text" in output or "text/plain" in data:
            told.append(output.get("text") or data["text/plain"])
    return told


@pytest.mark.parametrize("source", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # Jupyter's own
def test_it_equals_its_source_and_runs(source: Path) -> None:
    written = jupytext.read(source)
    kept = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [cell.source for cell in written.cells] == [cell.source for cell in kept.cells]
    NotebookClient(written, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    for fresh, old in zip(written.cells, kept.cells, strict=True):
        for now, before in zip(shown(fresh), shown(old), strict=True):
            assert NUMBER.sub("#", now).split() == NUMBER.sub("#", before).split()
            numbers = [[float(n) for n in NUMBER.findall(text)] for text in (now, before)]
            assert numbers[0] == pytest.approx(numbers[1], rel=0.05, abs=0.05)
    assert sum(told == "picture" for cell in kept.cells for told in shown(cell)) >= 3
