"""Open corpora from audEERING's repository (extra ``serkit[audb]``)."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serkit.corpus.corpus import MissingExtraError

NUM_WORKERS = 4
"""Files fetched at a time."""


class FetchError(OSError):
    """A corpus that could not be fetched; the message says from where, and why."""


def fetch(
    name: str, into: Path, *, repository: Any | None = None, show_progress: bool = False
) -> str:
    """Fetch the newest edition of an open corpus as its owners publish it, without conversion.

    The folder then holds the recordings and an audformat database (``db.yaml``); ``load`` reads it
    by the corpus's own reader, and under any other name as an audformat database. A fetch that
    was interrupted goes on where it was; an older edition is brought up to date.

    Args:
        name: What the repository calls it: ``Passport.audb``.
        into: Where to; made when it is not there.
        repository: An ``audb.Repository``; by default those of ``audb``'s own configuration, which
            are audEERING's public ones.
        show_progress: Draw progress bars on the terminal.

    Returns:
        The edition, such as ``"1.4.1"``.

    Raises:
        MissingExtraError: The extra is not installed.
        FileExistsError: Something else is in the folder.
        FetchError: No such corpus there, or no way to it.

    Example:
        >>> import tempfile
        >>> own = Path(tempfile.mkdtemp()) / "own"
        >>> own.mkdir()
        >>> _ = (own / "notes.txt").write_text("mine")
        >>> fetch("emodb", own)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FileExistsError: ...own: holds other files than those of emodb; say another folder
    """
    # audb writes db.yaml last, and takes the folder with ~ behind its name away when it is done
    begun = [into / "db.yaml", into.resolve().with_name(f"{into.resolve().name}~")]
    taken = into.is_file() or (into.is_dir() and any(into.iterdir()))
    if taken and not any(path.exists() for path in begun):
        raise FileExistsError(f"{into}: holds other files than those of {name}; say another folder")
    try:
        import audb
    except ImportError as error:
        raise MissingExtraError("fetching a corpus takes pip install 'serkit[audb]'") from error
    library: Any = audb
    with _repositories(library, repository) as where:
        try:
            version = str(library.latest_version(name))
            _ = library.load_to(
                str(into),
                name,
                version=version,
                pickle_tables=False,
                num_workers=NUM_WORKERS,
                verbose=show_progress,
            )
        except Exception as error:  # whatever its backends raise: they share no class
            raise FetchError(
                f"{name} could not be fetched from {where} ({error}); look whether the network is "
                "there, then say the same again"
            ) from error
    return version


@contextmanager
def _repositories(library: Any, repository: Any | None) -> Generator[str, None, None]:
    """The repositories ``audb`` asks, in words; only the one given for the time being."""
    usual = library.config.REPOSITORIES
    asked = usual if repository is None else [repository]
    library.config.REPOSITORIES = asked
    try:
        yield ", ".join(f"{one.name} at {one.host}" for one in asked)
    finally:
        library.config.REPOSITORIES = usual
