"""RAVDESS, the speech part: 24 North American actors, two sentences, eight emotions."""

import re
from pathlib import Path

from serkit.corpus.corpus import Corpus, FileNameError, MissingCorpusError, Passport, audio_files
from serkit.corpus.utterance import Rating, Utterance

CODES = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
"""The third field of a file name."""

STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
"""The fifth field, which is the sentence key."""

NAME = re.compile(
    r"^03-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])\.(?:wav|flac)$"
)

GRAMMAR = (
    "seven two-digit fields modality-channel-emotion-intensity-statement-repetition-actor: "
    "modality 03 (audio), channel 01 (speech; 02 is song and passed over), emotion 01 to 08, "
    "intensity 01 or 02 (neutral has no 02), statement 01 or 02, repetition 01 or 02, "
    "actor 01 to 24, .wav or .flac, such as 03-01-06-01-02-01-12.wav"
)

LAYOUT = (
    "ROOT/Audio_Speech_Actors_01-24/Actor_NN/*.wav (or .flac; ROOT/Actor_NN/*.wav will do), "
    f"named by {GRAMMAR}"
)

PASSPORT = Passport(
    name="ravdess",
    title="RAVDESS, the Ryerson audio-visual database of emotional speech and song; speech part",
    citation=(
        "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and "
        "Song (RAVDESS). PLoS ONE 13(5) e0196391, 2018, doi 10.1371/journal.pone.0196391"
    ),
    licence="CC BY-NC-SA 4.0",
    url="https://zenodo.org/records/1188976",
    obtain="download Audio_Speech_Actors_01-24.zip from Zenodo and unpack it",
    language="en",
    layout=LAYOUT,
    num_utterances=1440,
    num_speakers=24,
    emotions={
        "anger": 192,
        "calm": 192,
        "disgust": 192,
        "fear": 192,
        "happiness": 192,
        "neutral": 96,
        "sadness": 192,
        "surprise": 192,
    },
    sample_rate=48000,
    protocols=("ravdess-6fold", "ravdess-20-2-2", "ravdess-text", "ravdess-speaker-text"),
    audb="ravdess",
)


def parse(path: Path) -> Utterance | None:
    """The utterance a file name describes; None for song.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("Actor_12/03-01-06-01-02-01-12.wav"))
        >>> utterance.speaker, utterance.sex, utterance.emotion()
        ('ravdess/12', 'female', 'fear')
        >>> parse(Path("Actor_12/03-02-06-01-02-01-12.wav")) is None
        True
    """
    match = NAME.match(path.name)
    if match is None:
        raise FileNameError(f"{path}: not a name of RAVDESS; the grammar is {GRAMMAR}")
    channel, code, intensity, statement, _, actor = match.groups()
    if code == "01" and intensity == "02":
        raise FileNameError(f"{path}: neutral has no strong intensity; the grammar is {GRAMMAR}")
    folder = path.parent.name.lower()
    if folder.startswith("actor_") and folder != f"actor_{actor}":
        raise FileNameError(
            f"{path}: actor {actor} in {path.parent.name}; the grammar is {GRAMMAR}"
        )
    if channel == "02":
        return None
    return Utterance(
        id=f"ravdess/{path.stem}",
        path=path,
        speaker=f"ravdess/{actor}",
        sex="male" if int(actor) % 2 else "female",
        language="en",
        sentence=statement,
        ratings=(Rating(rater="intended", emotion={CODES[code]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Args:
        root: The folder that holds ``Audio_Speech_Actors_01-24/`` (or that folder itself; or what
            ``audb`` fetches, where it is called ``speech/``).

    Raises:
        MissingCorpusError: No recordings there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no RAVDESS here; expected ROOT/Audio_...
    """
    inner = (root / name for name in ("Audio_Speech_Actors_01-24", "speech"))
    folder = next((path for path in inner if path.is_dir()), root)
    files = [file for actor in sorted(folder.glob("[Aa]ctor_*")) for file in audio_files(actor)]
    if not files:
        raise MissingCorpusError(f"{root}: no RAVDESS here; expected {LAYOUT}")
    by_id: dict[str, Utterance] = {}
    problems: list[str] = []
    for path in files:
        utterance = parse(path)
        if utterance is None:
            continue
        if utterance.id in by_id:
            problems.append(
                f"{path.name} has the same base name as {by_id[utterance.id].path.name}"
            )
        else:
            by_id[utterance.id] = utterance
    utterances = tuple(by_id[key] for key in sorted(by_id))
    problems.extend(PASSPORT.differences(utterances))
    return Corpus(
        name="ravdess", passport=PASSPORT, utterances=utterances, problems=tuple(problems)
    )
