"""IEMOCAP: ten actors in five dyadic sessions, scripted and improvised, rated by several people."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from serkit.corpus.corpus import Corpus, FileNameError, MissingCorpusError, Passport, missing_files
from serkit.corpus.scheme import UnknownLabelError, canonical, num_outside, to_unit
from serkit.corpus.utterance import Rating, Utterance

CODES = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "oth": "other",
    "sad": "sadness",
    "sur": "surprise",
    "xxx": "no_agreement",
}
"""The third field of a label line."""

DIMENSIONS = {"val": "valence", "act": "arousal", "dom": "dominance"}
"""The words of a rater's line; the bracket of a label line has the same order."""

AFFECT_SCALE = (1.0, 5.0)

NAME = re.compile(r"^(Ses0([1-5])[FM]_(?:impro\d{2}[a-z]?|(script\d{2}_\d)[a-z]?))_([FM])\d{3}$")

LABEL = re.compile(r"^\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s+(\S+)\s+(\w+)\s+\[([^\]]*)\]\s*$")
RATER = re.compile(r"^([CA])-(\w+):([^(]*)")

GRAMMAR = (
    "Ses0 and session (1 to 5), who wore the markers (F or M), _impro and two digits or _script, "
    "two digits, _ and a digit (a letter may follow), _ and the speaker (F or M) with three "
    "digits, such as Ses01F_impro01_M000, spoken by the man of session 1"
)

LAYOUT = (
    "ROOT/Session{1..5}/dialog/EmoEvaluation/<dialogue>.txt and "
    "ROOT/Session{1..5}/sentences/wav/<dialogue>/<utterance>.wav (or .flac); an utterance is named "
    f"by {GRAMMAR}"
)

PASSPORT = Passport(
    name="iemocap",
    title="IEMOCAP, the interactive emotional dyadic motion capture database",
    citation=(
        "C. Busso, M. Bulut, C.-C. Lee, A. Kazemzadeh, E. Mower, S. Kim, J. N. Chang, S. Lee, "
        "S. S. Narayanan: IEMOCAP: interactive emotional dyadic motion capture database. Language "
        "Resources and Evaluation 42, 335-359, 2008, doi 10.1007/s10579-008-9076-6"
    ),
    licence="by agreement with the University of Southern California; research only, no sharing",
    url="https://sail.usc.edu/iemocap/",
    obtain="send the signed release form of its home page, then unpack IEMOCAP_full_release",
    language="en",
    layout=LAYOUT,
    num_utterances=10039,
    num_speakers=10,
    emotions={
        "anger": 1103,
        "disgust": 2,
        "excitement": 1041,
        "fear": 40,
        "frustration": 1849,
        "happiness": 595,
        "neutral": 1708,
        "sadness": 1084,
        "surprise": 107,
        "other": 3,
        "no_agreement": 2507,
    },
    sample_rate=16000,
    affect_scale=AFFECT_SCALE,
    protocols=(
        "iemocap-5fold-5531",
        "iemocap-5fold-4490",
        "iemocap-5fold-2280",
        "iemocap-10fold-5531",
        "iemocap-10fold-4490",
        "iemocap-10fold-2280",
        "iemocap-affect-5fold",
        "iemocap-5fold-5531-random20",
        "iemocap-5fold-4490-random20",
        "iemocap-5fold-2280-random20",
        "iemocap-affect-5fold-random20",
        "iemocap-5fold-5531-none",
        "iemocap-5fold-4490-none",
        "iemocap-5fold-2280-none",
        "iemocap-affect-5fold-none",
    ),
)


def parse(path: Path) -> Utterance:
    """The utterance a file name describes, without ratings: those stand in the label files.

    The speaker is the session and the letter of the *last* field. The letter after the session
    number only says who wore the markers, and is the same for both voices of a dialogue.
    ``sentence`` is the scene of a scripted play, whose words every session speaks, and None in an
    improvisation.

    Args:
        path: The recording; it need not exist.

    Raises:
        FileNameError: Not a name of this corpus; the message has the grammar.

    Example:
        >>> utterance = parse(Path("Ses05F_script01_1b_M003.wav"))
        >>> utterance.speaker, utterance.sex, utterance.sentence, utterance.recording
        ('iemocap/5M', 'male', 'script01_1', 'Ses05F_script01_1b')
    """
    match = NAME.match(path.stem)
    if match is None:
        raise FileNameError(f"{path}: not a name of IEMOCAP; the grammar is {GRAMMAR}")
    dialogue, session, scene, letter = match.groups()
    return Utterance(
        id=f"iemocap/{path.stem}",
        path=path,
        speaker=f"iemocap/{session}{letter}",
        sex="female" if letter == "F" else "male",
        language="en",
        sentence=scene,
        recording=dialogue,
    )


@dataclass(kw_only=True, slots=True)
class _Block:
    """A label line and the lines of single raters below it."""

    utterance: str
    consensus: Rating
    raters: dict[str, Rating] = field(default_factory=dict[str, Rating])


@dataclass(kw_only=True, slots=True)
class _Labels:
    """What the label files say, and what in them could not be understood."""

    malformed: list[str] = field(default_factory=list[str])
    num_clamped: int = 0

    def blocks(self, path: Path) -> Iterator[_Block]:
        """The label lines of one file, each with its raters."""
        block: _Block | None = None
        text = path.read_text(encoding="utf-8", errors="replace")  # comments are free text
        for number, line in enumerate(text.splitlines(), start=1):
            line = line.strip()
            if not line or line.startswith("%"):  # the header explains the columns
                continue
            try:
                if line.startswith("["):
                    finished, block = block, None  # raters of a broken line belong to nobody
                    if finished is not None:
                        yield finished
                    block = self._label(line)
                elif block is None:
                    raise ValueError("a rater without a label line")
                else:
                    self._rater(line, block)
            except ValueError:
                self.malformed.append(f"{path}, line {number}: {line!r}")
        if block is not None:
            yield block

    def _label(self, line: str) -> _Block:
        match = LABEL.match(line)
        if match is None or NAME.match(match[1]) is None or match[2] not in CODES:
            raise ValueError(line)
        values = [float(value) for value in match[3].split(",")]
        affect = self._affect(zip(DIMENSIONS, values, strict=True))
        emotion = {CODES[match[2]]: 1.0}
        return _Block(
            utterance=match[1],
            consensus=Rating(rater="consensus", emotion=emotion, affect=affect),
        )

    def _rater(self, line: str, block: _Block) -> None:
        match = RATER.match(line)
        if match is None:
            raise ValueError(line)
        kind, rater, told = match.groups()
        fields = [text.strip() for text in told.split(";") if text.strip()]
        known = block.raters.get(rater, Rating(rater=rater))
        if kind == "C":
            try:
                counts = Counter(canonical(word) for word in fields)
            except UnknownLabelError as error:
                raise ValueError(line) from error
            shares = {name: count / counts.total() for name, count in counts.items()}
            known = replace(known, emotion=shares)
        else:
            pairs = [text.split() for text in fields]
            told_pairs = [pair for pair in pairs if len(pair) > 1]  # "dom ;" says nothing
            known = replace(known, affect=self._affect((w, float(v)) for w, v in told_pairs))
        if known.emotion or known.affect:
            block.raters[rater] = known

    def _affect(self, pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
        affect: dict[str, float] = {}
        for word, value in pairs:
            if word not in DIMENSIONS or value != value:
                raise ValueError(word)
            self.num_clamped += num_outside([value], *AFFECT_SCALE)
            affect[DIMENSIONS[word]] = to_unit(value, *AFFECT_SCALE)
        return affect


def read(root: Path) -> Corpus:
    """Read the corpus in its owners' layout, from its label files; no audio is decoded.

    The rating ``consensus`` has the label and the means of the label line. Below it each rater has
    one of his own, under the code of the file: ``E1``, ``E2``, ... listened, ``F1``, ``M1``, ...
    are the actors on themselves, who are no part of the consensus. A rater who named several
    emotions gives each an equal share.

    Labelled utterances whose recording is missing, label lines that cannot be understood, and
    values outside 1..5 are listed in ``Corpus.problems``.

    Args:
        root: The folder that holds ``Session1/`` to ``Session5/``.

    Raises:
        MissingCorpusError: No label files there; the message says the layout.

    Example:
        >>> read(Path("nowhere"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        serkit.corpus.corpus.MissingCorpusError: nowhere: no IEMOCAP here; expected ROOT/Session...
    """
    files = [
        path
        for path in sorted(root.glob("Session[1-5]/dialog/EmoEvaluation/Ses0*.txt"))
        if path.is_file()
    ]
    if not files:
        raise MissingCorpusError(f"{root}: no IEMOCAP here; expected {LAYOUT}")
    labels = _Labels()
    by_id: dict[str, Utterance] = {}
    twice: list[str] = []
    for file in files:
        recordings = file.parents[2] / "sentences" / "wav"
        for block in labels.blocks(file):
            dialogue = block.utterance.rpartition("_")[0]
            path = recordings / dialogue / f"{block.utterance}.wav"
            if not path.is_file() and path.with_suffix(".flac").is_file():
                path = path.with_suffix(".flac")
            utterance = replace(parse(path), ratings=(block.consensus, *block.raters.values()))
            if utterance.id in by_id:
                twice.append(block.utterance)
            else:
                by_id[utterance.id] = utterance
    utterances = tuple(by_id[key] for key in sorted(by_id))
    problems = [*PASSPORT.differences(utterances), *missing_files(utterances)]
    if labels.malformed:
        problems.append(
            f"{len(labels.malformed)} lines of the label files are malformed and left out, the "
            f"first is {labels.malformed[0]}"
        )
    if twice:
        problems.append(
            f"{len(twice)} utterances are labelled twice and the first label is kept, the first "
            f"is {twice[0]}"
        )
    if labels.num_clamped:
        problems.append(
            f"{labels.num_clamped} values of affect outside the scale 1 to 5 were clamped to it"
        )
    return Corpus(
        name="iemocap", passport=PASSPORT, utterances=utterances, problems=tuple(problems)
    )
