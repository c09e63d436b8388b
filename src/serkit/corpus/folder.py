"""A user's own data: one folder per emotion."""

import re
from collections.abc import Mapping
from pathlib import Path

from serkit.corpus.corpus import AUDIO_SUFFIXES, Corpus, MissingCorpusError
from serkit.corpus.scheme import UnknownLabelError, canonical
from serkit.corpus.utterance import Rating, Utterance

LAYOUT = "ROOT/<emotion>/**/*.wav (or flac, ogg, mp3, ...), one folder per emotion"

RATER = "consensus"
"""Who is taken to have given a label that comes without a rater."""


def speaker_regex(pattern: str) -> re.Pattern[str]:
    r"""A compiled speaker pattern, checked for its group.

    Raises:
        ValueError: Not a regular expression, or one without a group named ``speaker``.

    Example:
        >>> speaker_regex(r"(?P<speaker>\d+)_").search("anger/07_1.wav")["speaker"]
        '07'
    """
    hint = r"write for instance (?P<speaker>\w+?)_ for files such as 07_1.wav"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"speaker pattern {pattern!r} is not a regular expression ({error}); {hint}"
        ) from error
    if "speaker" not in compiled.groupindex:
        raise ValueError(f"speaker pattern {pattern!r} has no group named speaker; {hint}")
    return compiled


def read_folder(
    root: Path,
    *,
    name: str,
    speaker_pattern: str | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Corpus:
    r"""Read ``root/<emotion>/**/*`` of any audio; no audio is decoded.

    Args:
        root: Holds one folder per emotion.
        name: First part of every id.
        speaker_pattern: Regular expression with a group ``speaker``, searched for in the path below
            ``root``, such as ``anger/07_1.wav``. Without it every speaker is unknown.
        aliases: Folder name to emotion.

    Raises:
        MissingCorpusError: No such folder, or no recordings in it.
        UnknownLabelError: A folder with recordings that is named after no emotion.

    Example:
        >>> import tempfile
        >>> from serkit.corpus import synthetic
        >>> root = synthetic.write(Path(tempfile.mkdtemp()), num_speakers=3, takes=1, seconds=0.1)
        >>> corpus = read_folder(root, name="mine", speaker_pattern=r"(?P<speaker>\w+)_\d+\.wav$")
        >>> corpus.speakers
        ('mine/s1', 'mine/s2', 'mine/s3')
        >>> corpus.emotions
        ('anger', 'sadness')
    """
    if not root.is_dir():
        raise MissingCorpusError(f"{root}: no such folder; expected {LAYOUT}")
    compiled = speaker_regex(speaker_pattern) if speaker_pattern is not None else None
    below = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(root).parts)
    )
    recordings = [path for path in below if path.suffix.lower() in AUDIO_SUFFIXES]
    if not recordings:
        raise MissingCorpusError(f"{root}: no recordings below it; expected {LAYOUT}")
    emotions: dict[str, str] = {}
    unknown: list[str] = []
    loose = [path for path in recordings if path.parent == root]
    for label in sorted(
        {path.relative_to(root).parts[0] for path in recordings if path not in loose}
    ):
        try:
            emotions[label] = canonical(label, aliases=aliases)
        except UnknownLabelError:
            unknown.append(label)
    if unknown:
        raise UnknownLabelError(unknown, where=f"folders of {root}")
    utterances: list[Utterance] = []
    unmatched: list[str] = []
    for path in recordings:
        relative = path.relative_to(root)
        if path.parent == root:
            continue
        match = compiled.search(relative.as_posix()) if compiled is not None else None
        if compiled is not None and (match is None or not match["speaker"]):
            unmatched.append(relative.as_posix())
        speaker = f"{name}/{match['speaker']}" if match is not None and match["speaker"] else None
        utterances.append(
            Utterance(
                id=f"{name}/{relative.as_posix()}",
                path=path,
                speaker=speaker,
                ratings=(Rating(rater=RATER, emotion={emotions[relative.parts[0]]: 1.0}),),
            )
        )
    problems: list[str] = []
    if loose:
        problems.append(
            f"{len(loose)} recordings stand in no emotion folder and are left out, the first is "
            f"{loose[0].name}"
        )
    others = [path for path in below if path.suffix.lower() not in AUDIO_SUFFIXES]
    if others:
        problems.append(f"{len(others)} files are no recordings, the first is {others[0].name}")
    if compiled is None:
        problems.append("no speaker pattern was given, so every speaker is unknown")
    elif unmatched:
        problems.append(
            f"the speaker pattern finds no speaker in {len(unmatched)} of {len(utterances)} files, "
            f"the first is {unmatched[0]}"
        )
    return Corpus(
        name=name,
        utterances=tuple(sorted(utterances, key=lambda utterance: utterance.id)),
        problems=tuple(problems),
    )
