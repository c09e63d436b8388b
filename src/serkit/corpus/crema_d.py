"""CREMA-D: 91 American actors, twelve sentences, six emotions, and what listeners voted."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from serkit.corpus.corpus import (
    Corpus,
    FileNameError,
    MissingCorpusError,
    Passport,
    audio_files,
    distinct,
    missing_files,
)
from serkit.corpus.utterance import Rating, Utterance

CODES = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
"""The third field of a file name; its first letter is the column of a vote table."""

SENTENCES = {
    "DFA": "Don't forget a jacket",
    "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
"""The second field, which is the sentence key."""

VOICE_ONLY = range(100001, 200001)
"""Numbers of the rows of votes on the voice; later ones are on the face, and on both."""

NO_AUDIO = ("1076_MTI_SAD_XX",)
"""Recordings without sound; left out."""

TWO_LABELS = (
    ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"),
    ("1013_WSI_DIS_XX", "1013_WSI_SAD_XX"),
    ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
)
"""Equal audio under two labels, of which nobody knows the right one; both are left out."""

LEFT_OUT = frozenset(NO_AUDIO) | {name for pair in TWO_LABELS for name in pair}

FAULTY_VOTES = frozenset({"1064_IEO_DIS_MD", "1064_TIE_SAD_XX", "1076_MTI_NEU_XX"})
"""Listeners heard faulty files, so their votes are left out; the recordings are good."""

NAME = re.compile(
    r"^(10[0-8]\d|109[01])_(DFA|IEO|IOM|ITH|ITS|IWL|IWW|MTI|TAI|TIE|TSI|WSI)"
    r"_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)$"  # older copies hold one file that ends in X
)

GRAMMAR = (
    "actor (1001 to 1091), sentence (IEO TIE IOM IWW TAI MTI IWL ITH DFA ITS TSI WSI), emotion "
    "(ANG DIS FEA HAP NEU SAD), level (LO MD HI, only of IEO and not of NEU; else XX), with _ "
    "between them, .wav or .flac, such as 1001_IEO_ANG_HI.wav"
)

LAYOUT = (
    "ROOT/AudioWAV/*.wav (or .flac), ROOT/VideoDemographics.csv and "
    f"ROOT/processedResults/tabulatedVotes.csv; recordings are named by {GRAMMAR}"
)

PASSPORT = Passport(
    name="cremad",
    title="CREMA-D, the crowd-sourced emotional multimodal actors dataset; the audio",
    citation=(
        "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: "
        "Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on Affective "
        "Computing 5(4), 377-390, 2014, doi 10.1109/TAFFC.2014.2336244"
    ),
    licence="Open Database License 1.0, contents Database Contents License 1.0",
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    obtain="clone it from GitHub with git-lfs, for AudioWAV/",
    language="en",
    layout=LAYOUT,
    num_utterances=7435,  # 7442 are published, 7 of them are left out
    num_speakers=91,
    emotions={
        "anger": 1270,
        "disgust": 1270,
        "fear": 1270,
        "happiness": 1270,
        "neutral": 1086,
        "sadness": 1269,
    },
    sample_rate=16000,
    protocols=("cremad-5fold", "cremad-speaker-text"),
)


def parse(path: Path) -> Utterance:
    """The utterance a file name describes, as intended by the actor.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("AudioWAV/1001_IEO_ANG_HI.wav"))
        >>> utterance.speaker, utterance.sentence, utterance.emotion()
        ('cremad/1001', 'IEO', 'anger')
    """
    match = NAME.match(path.stem)
    if match is None or match[1] == "1000":
        raise FileNameError(f"{path}: not a name of CREMA-D; the grammar is {GRAMMAR}")
    actor, sentence, code, level = match.groups()
    if level in ("LO", "MD", "HI") and (sentence != "IEO" or code == "NEU"):
        raise FileNameError(
            f"{path}: {sentence} {code} has no level {level}; the grammar is {GRAMMAR}"
        )
    return Utterance(
        id=f"cremad/{path.stem + 'X' if level == 'X' else path.stem}",
        path=path,
        speaker=f"cremad/{actor}",
        language="en",
        sentence=sentence,
        ratings=(Rating(rater="intended", emotion={CODES[code]: 1.0}),),
    )


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout; no audio is decoded.

    Every recording has the rating ``intended``, from its name. Where somebody voted there is a
    rating ``voice_vote`` too: the shares of the votes of those who only heard the voice. A tie has
    no majority, so ``Corpus.rated_by("voice_vote")`` leaves it without a label.

    Recordings that are named in the vote table belong to the corpus also where the audio is
    missing; ``Corpus.problems`` lists those, and the recordings and votes that are left out because
    they are known to be faulty.

    Args:
        root: The folder that holds ``AudioWAV/`` (or that folder itself).

    Raises:
        MissingCorpusError: Neither recordings nor votes there; the message says the layout.
        FileNameError: A recording with a name of some other corpus.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no CREMA-D here; expected ROOT/AudioWAV...
    """
    home = root.parent if root.name == "AudioWAV" else root
    folder = home / "AudioWAV" if (home / "AudioWAV").is_dir() else root
    heard, twice = distinct(map(parse, audio_files(folder) if folder.is_dir() else []))
    tables = _Tables(root=home)
    votes = tables.votes()
    if not heard and not votes:
        raise MissingCorpusError(f"{root}: no CREMA-D here; expected {LAYOUT}")
    found = {utterance.id.removeprefix("cremad/"): utterance for utterance in heard}
    actors = tables.actors()
    utterances: list[Utterance] = []
    for name in sorted(found.keys() | votes.keys()):
        if name in LEFT_OUT:
            continue
        utterance = found.get(name) or parse(home / "AudioWAV" / f"{name}.wav")
        sex, age = actors.get(name[:4], (None, None))
        vote = votes.get(name)
        ratings = utterance.ratings
        if vote and name not in FAULTY_VOTES:
            ratings = (*ratings, Rating(rater="voice_vote", emotion=vote))
        utterances.append(replace(utterance, sex=sex, age=age, ratings=ratings))
    return Corpus(
        name="cremad",
        passport=PASSPORT,
        utterances=tuple(utterances),
        problems=(
            *_left_out(found.keys() | votes.keys()),
            *twice,
            *missing_files(utterances),
            *tables.problems(),
            *PASSPORT.differences(utterances),
        ),
    )


def _left_out(names: set[str]) -> tuple[str, ...]:
    """What is known to be faulty and was found in this copy."""
    lines = [f"{name} is left out: it has no audio" for name in NO_AUDIO if name in names]
    lines += [
        f"{one} and {other} are left out: equal audio under two labels"
        for one, other in TWO_LABELS
        if {one, other} & names
    ]
    faulty = sorted(FAULTY_VOTES & names)
    if faulty:
        lines.append(f"votes left out, because faulty files were heard: {', '.join(faulty)}")
    return tuple(lines)


@dataclass(kw_only=True, slots=True)
class _Tables:
    """The owners' tables, and what in them could not be understood."""

    root: Path
    absent: list[str] = field(default_factory=list[str])
    malformed: list[str] = field(default_factory=list[str])

    def votes(self) -> Mapping[str, Mapping[str, float]]:
        """Name of a recording to the shares of its votes; empty shares where nobody voted."""
        votes: dict[str, dict[str, float]] = {}
        for where, row in self._rows("processedResults/tabulatedVotes.csv"):
            try:
                if int(row[""]) not in VOICE_ONLY:
                    continue
                name = row["fileName"].strip()
                counts = {emotion: int(row[code[0]]) for code, emotion in CODES.items()}
                if NAME.match(name) is None or min(counts.values()) < 0:
                    raise ValueError(name)
            except (AttributeError, KeyError, TypeError, ValueError):
                self.malformed.append(where)
                continue
            total = sum(counts.values())
            votes[name] = {e: count / total for e, count in counts.items() if count}
        return votes

    def actors(self) -> Mapping[str, tuple[str | None, float | None]]:
        """Number of an actor to sex and age in years."""
        actors: dict[str, tuple[str | None, float | None]] = {}
        for where, row in self._rows("VideoDemographics.csv"):
            try:
                actors[row["ActorID"].strip()] = row["Sex"].strip().lower(), float(row["Age"])
            except (AttributeError, KeyError, TypeError, ValueError):
                self.malformed.append(where)
        return actors

    def problems(self) -> tuple[str, ...]:
        """A line for each table that is not there, and one for the rows that cannot be read."""
        lines = [f"{name} is missing: {_LACKING[name]}" for name in self.absent]
        if self.malformed:
            lines.append(
                f"{len(self.malformed)} rows cannot be read and are left out, the first is "
                f"{self.malformed[0]}"
            )
        return tuple(lines)

    def _rows(self, name: str) -> list[tuple[str, dict[str, str]]]:
        path = self.root / name
        if not path.is_file():
            self.absent.append(name)
            return []
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return [(f"{path}, row {number}", row) for number, row in enumerate(rows, start=2)]


_LACKING = {
    "processedResults/tabulatedVotes.csv": "no ratings by voice_vote",
    "VideoDemographics.csv": "sex and age of the actors are unknown",
}
