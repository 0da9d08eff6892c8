"""Fits on disk, found by their content: what a walk has trained once, no later one trains again.

One safetensors file a member of a fold, named by its key (`TrainingRows.key`): the training rows, the recipe, the
seed, the code and the CPU. Whatever changes any of them looks for another name, so an old fit is never taken for a new
one. A file is written beside its place and renamed, so that whoever is killed leaves whole files only.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_signal.errors import InputError
from lstm_signal.fits import Member, made_by
from lstm_signal.recipe import Recipe
from lstm_signal.saving import read_fit, read_header, write_fit

_NAME = re.compile(r"[0-9a-f]{64}\.safetensors")
_LEFTOVER = re.compile(r"\.[0-9a-f]{64}\.safetensors\.[0-9a-f]+\.tmp")
_DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class Entry:
    """One file of a store.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    used : float
        When a walk last took or wrote it [s since 1970].
    about : dict
        Its recipe and provenance; empty if it is damaged.
    damage : str
        What is wrong with it.
    """

    path: Path
    size: int
    used: float
    about: dict[str, Any]
    damage: str = ""

    @property
    def outdated(self) -> bool:
        """Whether it was made by other code, versions or another CPU: no walk here will find it."""
        return not self.damage and self.about["made_by"] != made_by()


class Store:
    """A folder of fits.

    Parameters
    ----------
    folder : str or Path
    """

    def __init__(self, folder: str | Path) -> None:
        if not isinstance(folder, str | Path) or not str(folder):
            raise InputError(f"store={folder!r} must be the path of a folder, or None to keep no fits.")
        # Absolute: warm processes stay in the directory that they were started in, whatever their parent's is now.
        self.folder = Path(folder).expanduser().absolute()

    def path(self, key: str) -> Path:
        """Return where the fit of a key lies; 256 folders keep listings short."""
        return self.folder / key[:2] / f"{key}.safetensors"

    def prepare(self) -> None:
        """Make the folder.

        Raises
        ------
        InputError
            If there can be none, said before anything is trained.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fault = "" if os.access(self.folder, os.W_OK | os.X_OK) else "it may not be written to"
        except OSError as error:
            fault = "it is a file" if self.folder.is_file() else str(error.strerror)
        if fault:
            raise InputError(
                f"no store of fits can be at {self.folder}: {fault}. Name another folder (store=, --store), or keep no "
                "fits (--no-store)."
            )

    def read(self, key: str, recipe: Recipe) -> Member | None:
        """Return the fit of a key, or None if there is none.

        Raises
        ------
        InputError
            If the file is damaged, or is not that fit.
        """
        path = self.path(key)
        if not path.exists():
            return None
        if not path.is_file():
            raise OSError(f"{path} stands where a fit belongs, and is no file: remove it.")
        functions = [item for item in recipe.features if not isinstance(item, str)]
        try:
            _, members, provenance = read_fit(path, functions)
        except FileNotFoundError:  # pruned by another process just now
            return None
        if provenance["key"] != key:
            raise InputError(f"{path} holds another fit than its name says.")
        with contextlib.suppress(OSError):  # somebody else's file: it keeps its date
            os.utime(path)
        return members[0]

    def write(self, key: str, recipe: Recipe, member: Member, provenance: dict[str, Any]) -> None:
        """Keep a fit, whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written; those kept before stay.
        """
        path = self.path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            write_fit(path, recipe.replace(members=1), [member], provenance | {"key": key, "made_by": made_by()})
        except OSError as error:
            if isinstance(error, FileNotFoundError) and path.is_file():
                return  # another process kept the same fit meanwhile, and tidied up
            raise OSError(
                f"cannot keep a fit in {path.parent}: {error.strerror or error}. The fits done before are kept: make "
                "room, run the same again, and it goes on from there."
            ) from error
        for leftover in path.parent.glob(f".{key}.*.tmp"):  # of a process that was killed while it wrote this one
            leftover.unlink(missing_ok=True)

    def entries(self, verify: bool = False) -> Iterator[Entry]:
        """Yield every fit of the store, read whole and checked if `verify`, else its header alone.

        Raises
        ------
        OSError
            If a folder of the store may not be read.
        """
        for path in self._files(_NAME):
            try:
                told = path.stat()
                about = read_header(path, whole=verify)
                about.setdefault("made_by", "")
                damage = "" if about.get("key") == path.stem else f"{path} holds another fit than its name says."
            except FileNotFoundError:  # pruned by another process meanwhile
                continue
            except InputError as error:
                about, damage = {}, str(error)
            yield Entry(path, told.st_size, told.st_mtime, about, damage)

    def _files(self, name: re.Pattern[str]) -> Iterator[Path]:
        """Yield the files of the store that bear a name of its making, in the folder that it belongs to."""
        for folder in sorted(self.folder.iterdir()):
            if len(folder.name) == 2 and folder.is_dir():
                for path in sorted(folder.iterdir()):
                    ours = name.fullmatch(path.name) and path.name.lstrip(".").startswith(folder.name)
                    if ours and path.is_file():
                        yield path

    def leftovers(self) -> list[Path]:
        """Return what killed processes left half-written: temporary files older than a minute."""
        return [path for path in self._files(_LEFTOVER) if time.time() - path.stat().st_mtime > 60]

    def prune(self, unused_days: float | None = None) -> list[Path]:
        """Remove what no walk can use: damaged, outdated and half-written files.

        Parameters
        ----------
        unused_days : float, optional
            Remove fits too that no walk has used for so many days.

        Returns
        -------
        list of Path
            What was removed; files that are not of the store's making stay.
        """
        limit = -1.0 if unused_days is None else time.time() - unused_days * _DAY
        gone = [e.path for e in self.entries(verify=True) if e.damage or e.outdated or e.used < limit]
        gone += self.leftovers()
        for path in gone:
            path.unlink(missing_ok=True)
        return gone
