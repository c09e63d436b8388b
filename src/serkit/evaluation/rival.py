"""Anybody's predictions under our protocol: a table with as little as ``file,predicted``.

The reference, the speaker and the fold of an utterance come from the corpus and the protocol, never
from the table; what the table says of them is only held against these, and disagreement is told.
"""

import csv
import hashlib
import io
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from serkit.corpus import Protocol, UnknownLabelError, Utterance, canonical, label_map
from serkit.corpus.corpus import AUDIO_SUFFIXES, nearest
from serkit.evaluation.affect import AffectPrediction
from serkit.evaluation.classification import top
from serkit.evaluation.predictions import (
    DECIMALS,
    PROBABILITY,
    SUM_TOLERANCE,
    Prediction,
    PredictionsError,
    Seed,
    read_text,
)
from serkit.evaluation.significance import doubts, shifted_labels

FILE = (
    "file", "path", "filename", "file_name", "filepath", "file_path", "wav", "wav_path", "audio",
    "audio_path", "recording", "utterance", "utterance_id", "utt_id", "id", "name",
)  # fmt: skip
"""Names of the column that says which utterance, the surest first."""
PREDICTED = (
    "predicted", "prediction", "predictions", "pred", "preds", "emotion_pred", "pred_emotion",
    "emotion_predicted", "predicted_emotion", "predicted_label", "pred_label", "label_pred",
    "y_pred", "hypothesis", "output",
)  # fmt: skip
"""Names of the column of predictions, the surest first."""
REFERENCE = (
    "emotion", "reference", "label", "true", "truth", "target", "gold", "actual", "true_label",
    "emotion_true", "true_emotion", "label_true", "y_true", "ground_truth",
)  # fmt: skip
"""Names of the column of references, the surest first; only held against the corpus."""
EITHER = ("label", "emotion", "class", "category")
"""Where nothing of ``PREDICTED`` is there, the only one of these holds the predictions."""

FEW = 3
"""So many references that differ from the corpus may be slips of the pen."""
SHARE = 0.01
"""And so large a share of them."""
NAMED_AT_MOST = 10
"""Utterances written out in a message; the rest are counted."""

Missing = Literal["refuse", "wrong"]
"""What an utterance without an answer is: a reason to stop, or an error of the system."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """A foreign table, read under a protocol."""

    predictions: tuple[Prediction, ...]
    """One row per seed and test utterance, in the order of the protocol's folds."""
    notes: tuple[str, ...]
    """What was guessed, counted as wrong, ignored or looks odd: to be shown with every figure."""
    has_probabilities: bool
    """False when every probability is 0 or 1, made from the prediction; nothing can be said of
    calibration then."""


def read_rival(
    path: str | Path,
    protocol: Protocol,
    *,
    aliases: Mapping[str, str] | None = None,
    missing: Missing = "refuse",
) -> Rival:
    r"""Read anybody's table of predictions for the test sides of a protocol.

    Needed are a column that says which utterance (a path, a base name or an utterance id; the
    extension does not matter) and one with the predicted label, or ``probability_<label>`` for each
    label. ``seed`` is read when there. The names are guessed, and what was guessed stands in the
    notes when it could have been otherwise. Comma, semicolon and tab may part the cells.

    Args:
        path: ``.csv``, ``.tsv`` or either with ``.gz``.
        protocol: Whose test utterances were predicted.
        aliases: Further label to emotion, such as ``{"Wut": "anger"}``.
        missing: ``"refuse"``: every test utterance needs an answer, of an emotion in the scheme.
            ``"wrong"``: one without counts as an error (as the emotion that follows the reference
            in the scheme), and the notes say how many.

    Returns:
        Rows to be scored with ``score``, and notes.

    Raises:
        FileNotFoundError: There is no such table.
        UnknownLabelError: Labels that are no emotions; the remedy is an alias.
        PredictionsError: A column, or an utterance, is missing or occurs twice.

    Example:
        >>> import tempfile
        >>> from serkit.corpus import load, protocol
        >>> cut = protocol("excerpt-5pairs", load("excerpt"))
        >>> rows = [f"{u.path.name};{u.emotion()}" for fold in cut.folds for u in fold.test]
        >>> path = Path(tempfile.mkdtemp()) / "theirs.csv"
        >>> _ = path.write_text("\n".join(["wav;prediction", *rows]))
        >>> rival = read_rival(path, cut)
        >>> len(rival.predictions), rival.has_probabilities, rival.notes
        (119, False, ())
    """
    path = Path(path)
    if protocol.task != "emotion":
        raise PredictionsError(f"{protocol.name} is about affect; {path} is read for emotions")
    table = _Table.read(path)
    labels = _Labels.of(table, protocol, aliases or {}, path)
    tested = {u.id: (fold.name, u) for fold in protocol.folds for u in fold.test}
    if len(tested) < sum(len(fold.test) for fold in protocol.folds):
        raise PredictionsError(
            f"{protocol.name} tests some utterances in several folds; a table has one row for each"
        )
    named = _Names.of(protocol)
    answers: dict[Seed, dict[str, int]] = defaultdict(dict)
    outside: list[str] = []
    unknown: list[str] = []
    for number, cell in enumerate(table.rows):
        where = f"{path}: line {table.lines[number]}"
        utterance = named.find(cell[table.file], where)
        if utterance is None:
            unknown.append(cell[table.file])
        elif utterance.id not in tested:
            outside.append(utterance.id)
        elif table.predicted is not None and not cell[table.predicted]:
            continue  # no answer: found below, among the missing
        else:
            seed = _seed(cell[table.seed], where) if table.seed is not None else 0
            first = answers[seed].setdefault(utterance.id, number)
            if first != number:
                raise PredictionsError(
                    f"{where}: {utterance.id} is predicted a second time in seed {seed}, first in "
                    f"line {table.lines[first]}; keep one (a table of several runs has a column "
                    "seed)"
                )
    if not answers:
        first = next(iter(tested.values()))[1]
        raise PredictionsError(
            f"{path}: none of its {len(table.rows)} rows answers for an utterance that "
            f"{protocol.name} tests; column {table.file!r} begins with "
            f"{table.rows[0][table.file]!r}, and the utterances are named like {first.id} "
            f"({first.path.name})"
        )
    notes = list(table.notes)
    if unknown:
        notes.append(
            f"{len(unknown)} rows are of no utterance of {protocol.name} and are ignored: "
            + _some(unknown)
        )
    if outside:
        notes.append(
            f"{len(outside)} rows of utterances outside the test sides are ignored: "
            + _some(outside)
        )
    gaps = {seed: [id for id in tested if id not in found] for seed, found in answers.items()}
    _stop_at_gaps(path, protocol, gaps, missing)
    rows, wrong = labels.rows(table, tested, answers)
    if wrong and missing == "refuse":
        names = Counter(str(labels.raw(table.rows[answers[seed][id]])) for seed, id in wrong)
        raise PredictionsError(
            f"{path}: {len(wrong)} predictions are outside the scheme of {protocol.name} "
            f"({', '.join(protocol.emotions)}): "
            + ", ".join(f"{name} {count}" for name, count in names.items())
            + "; count them as errors with --missing wrong, or take a protocol over more emotions"
        )
    if wrong:
        notes.append(f"{len(wrong)} predictions outside the scheme count as errors")
    if any(gaps.values()):
        num = sum(map(len, gaps.values()))
        listed = _some(list(dict.fromkeys(id for ids in gaps.values() for id in ids)))
        notes.append(f"{num} test utterances without an answer count as errors: {listed}")
    notes += labels.notes
    notes += _disagreements(table, tested, answers, protocol, aliases or {})
    if table.guessed and all(
        row.predicted == row.emotion for row in rows if row.file in answers[row.seed]
    ):
        notes.append(
            f"WARNING: every answer under {table.predicted!r} is the corpus's own reference: are "
            "these the labels, and not predictions? Name the column of predictions 'predicted'"
        )
    notes += _doubts(table, rows, next(iter(answers.values())))
    return Rival(predictions=tuple(rows), notes=tuple(notes), has_probabilities=labels.soft)


Answered = Sequence[Prediction] | Sequence[AffectPrediction]
"""A table of either kind."""


def table_split(rows: Answered) -> str:
    """16 hex digits that say which utterances are tested, in which fold, under which reference.

    Of two tables with different digits no figures are compared. Seeds and answers do not enter.
    For runs, ``Protocol.split`` says the same of all three sides.

    Example:
        >>> row = Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                     emotions=("anger", "sadness"), probabilities=[0.9, 0.1])
        >>> len(table_split([row])), table_split([row]) == table_split([row, row])
        (16, True)
    """
    tested = sorted({(row.file, row.fold, _reference(row)) for row in rows})
    return hashlib.sha256(repr(tested).encode()).hexdigest()[:16]


def split_difference(first: Answered, second: Answered) -> str:
    """In words, where two tables were not tested alike; empty when they were.

    Example:
        >>> row = Prediction.of(seed=0, fold="one", file="a", speaker="s", emotion="anger",
        ...                     emotions=("anger", "sadness"), probabilities=[0.9, 0.1])
        >>> from dataclasses import replace
        >>> split_difference([row], [replace(row, fold="two")])
        '1 of 1 shared utterances are in another fold (such as a: one and two)'
    """
    one, other = ({row.file: row for row in rows} for rows in (first, second))
    parts: list[str] = []
    shared = [file for file in one if file in other]
    for what, value in (("in another fold", _fold), ("of another reference", _reference)):
        apart = [file for file in shared if value(one[file]) != value(other[file])]
        if apart:
            values = " and ".join(value(rows[apart[0]]) for rows in (one, other))
            parts.append(
                f"{len(apart)} of {len(shared)} shared utterances are {what} "
                f"(such as {apart[0]}: {values})"
            )
    for which, here, there in (("first", one, other), ("second", other, one)):
        only = [file for file in here if file not in there]
        if only:
            parts.append(f"{len(only)} are only in the {which} (such as {only[0]})")
    return "; ".join(parts)


def _fold(row: Prediction | AffectPrediction) -> str:
    return row.fold


def _reference(row: Prediction | AffectPrediction) -> str:
    if isinstance(row, Prediction):
        return row.emotion
    return " ".join(f"{name}={value:.6f}" for name, value in sorted(row.reference.items()))


# --------------------------------------------------------------------------------------- the table


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Cells by column, and which column is what."""

    rows: list[dict[str, str]]
    lines: list[int]
    """The line of the file that each row ends on."""
    file: str
    predicted: str | None
    reference: str | None
    seed: str | None
    fold: str | None
    guessed: bool
    """Whether the column of predictions has a name that references have, too."""
    probabilities: dict[str, str]
    """Label to column."""
    notes: tuple[str, ...]

    @staticmethod
    def read(path: Path) -> "_Table":
        text = read_text(path, form="table")
        head = text.partition("\n")[0]
        parting = max(",;\t", key=head.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=parting, strict=True)
        try:
            header = [cell.strip() for cell in next(reader, [])]
            cells = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            raise PredictionsError(
                f"{path}: line {reader.line_num} is not CSV ({error})"
            ) from error
        for line, row in cells:
            if len(row) != len(header):
                raise PredictionsError(
                    f"{path}: line {line} has {len(row)} cells, the header {len(header)}"
                )
        if not cells:
            raise PredictionsError(f"{path}: there are no rows below a line that names the columns")
        return _Table._of(
            header,
            [{h: c.strip() for h, c in zip(header, row, strict=True)} for _, row in cells],
            [line for line, _ in cells],
            path,
        )

    @staticmethod
    def _of(
        header: list[str], rows: list[dict[str, str]], lines: list[int], path: Path
    ) -> "_Table":
        plain: dict[str, str] = {}
        for column in filter(None, header):  # an index without a name is no column of ours
            name = column.lower().replace(" ", "_").replace("-", "_")
            if name in plain:
                raise PredictionsError(f"{path}: the column {column!r} occurs twice")
            plain[name] = column
        probabilities = {
            column[len(PROBABILITY) :]: column
            for name, column in plain.items()
            if name.startswith(PROBABILITY)
        }
        listed = f"the columns are {', '.join(map(repr, header))}"
        file = next((plain[name] for name in FILE if name in plain), None)
        if file is None:
            raise PredictionsError(
                f"{path}: no column says which utterance a row is of; {listed}; name one 'file' "
                f"(the first line names the columns){nearest(header[0], ('file',))}"
            )
        found = [name for name in PREDICTED if name in plain]
        notes: list[str] = []
        if len(found) > 1 and found[0] != "predicted":
            raise PredictionsError(
                f"{path}: which is the prediction, {' or '.join(plain[n] for n in found)}? "
                "name one 'predicted'"
            )
        predicted = plain[found[0]] if found else None
        if predicted is None and not probabilities:
            either = [name for name in EITHER if name in plain]
            if len(either) != 1:
                raise PredictionsError(
                    f"{path}: no column holds the predictions; {listed}; name one 'predicted'"
                )
            predicted = plain[either[0]]
            notes.append(f"the column {predicted!r} is taken for the predictions")
        references = [plain[name] for name in REFERENCE if name in plain]
        return _Table(
            rows=rows,
            lines=lines,
            file=file,
            predicted=predicted,
            reference=next((column for column in references if column != predicted), None),
            seed=plain.get("seed"),
            fold=plain.get("fold"),
            guessed=bool(notes),
            probabilities=probabilities,
            notes=tuple(notes),
        )


def _seed(cell: str, where: str) -> Seed:
    if not cell:
        raise PredictionsError(f"{where} has nothing under seed")
    try:
        return int(float(cell)) if float(cell).is_integer() and float(cell) >= 0 else cell
    except (ValueError, OverflowError):
        return cell


# --------------------------------------------------------------------------------- which utterance


def _stem(path: str) -> tuple[str, ...]:
    """The parts of a path, the last without the extension of a recording."""
    pure = PurePosixPath(path.replace("\\", "/"))
    last = pure.stem if pure.suffix.lower() in AUDIO_SUFFIXES else pure.name
    return (*(part for part in pure.parts[:-1] if part not in (".", "/")), last)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """All utterances of a protocol by what a table may call them."""

    by_id: Mapping[str, Utterance]
    by_name: Mapping[str, list[tuple[tuple[str, ...], Utterance]]]
    """Base name in small letters, without extension, to the parts of the path, or of the id, and
    the utterance."""

    @staticmethod
    def of(protocol: Protocol) -> "_Names":
        by_id = {u.id: u for fold in protocol.folds for side in fold.sides.values() for u in side}
        by_name: defaultdict[str, list[tuple[tuple[str, ...], Utterance]]] = defaultdict(list)
        for utterance in by_id.values():
            for parts in {_stem(utterance.path.as_posix()), _stem(utterance.id)}:
                by_name[parts[-1].casefold()].append((parts, utterance))
        return _Names(by_id=by_id, by_name=by_name)

    def find(self, given: str, where: str) -> Utterance | None:
        """The one utterance that is called so; None where none is."""
        if given in self.by_id:
            return self.by_id[given]
        parts = _stem(given) if given else ("",)
        candidates = self.by_name.get(parts[-1].casefold(), [])
        for alike in (str, str.casefold):  # as it is written, else in any case
            wanted = tuple(map(alike, parts))
            found = candidates
            for depth in range(1, len(parts) + 1):
                found = [
                    (path, utterance)
                    for path, utterance in found
                    if tuple(map(alike, path))[-depth:] == wanted[-depth:]
                ]
                if len({utterance.id for _, utterance in found}) == 1:
                    return found[0][1]
        if not candidates:
            return None
        names = sorted({utterance.id for _, utterance in candidates})
        raise PredictionsError(
            f"{where}: {given!r} may be any of {len(names)} utterances "
            f"({_some(names, 3)}); give more of the path, or the utterance id"
        )


def _some(names: Sequence[str], most: int = NAMED_AT_MOST) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _stop_at_gaps(
    path: Path, protocol: Protocol, gaps: Mapping[Seed, Sequence[str]], missing: Missing
) -> None:
    if missing == "wrong":
        return
    for seed, ids in gaps.items():
        if ids:
            num_tested = sum(len(fold.test) for fold in protocol.folds)
            of_seed = f" in seed {seed}" if len(gaps) > 1 else ""
            raise PredictionsError(
                f"{path}: {len(ids)} of {num_tested} test utterances of {protocol.name} have no "
                f"answer{of_seed}: {_some(ids)}; predict them, or count them as errors with "
                "--missing wrong"
            )


# ---------------------------------------------------------------------------------- which emotion


@dataclass(frozen=True, kw_only=True, slots=True)
class _Labels:
    """What the labels of a table mean in the scheme of a protocol."""

    emotions: tuple[str, ...]
    column: str | None
    """Of the predictions; None where the most probable emotion is the prediction."""
    meaning: Mapping[str, str | None]
    """Label to emotion of the scheme, None when outside it."""
    columns: Mapping[str, tuple[str, ...]]
    """Emotion to its columns of probability; empty when they are not used."""
    notes: tuple[str, ...]

    @property
    def soft(self) -> bool:
        """Whether probabilities are used."""
        return bool(self.columns)

    @staticmethod
    def of(table: _Table, protocol: Protocol, aliases: Mapping[str, str], path: Path) -> "_Labels":
        said = (
            {row[table.predicted] for row in table.rows} - {""} if table.predicted else set[str]()
        )
        labels = sorted(said | set(table.probabilities))
        mapping = label_map(protocol.label_map) if protocol.label_map is not None else None
        meaning: dict[str, str | None] = {}
        strange: list[str] = []
        for label in labels:
            try:
                emotion = canonical(label, aliases=aliases)
            except UnknownLabelError:
                strange.append(label or "(nothing)")
                continue
            target = mapping(emotion) if mapping is not None else emotion
            # somebody who trained on the scheme of the map says its emotions
            if target is None and emotion in protocol.emotions:
                target = emotion
            meaning[label] = target if target in protocol.emotions else None
        if strange:
            raise UnknownLabelError(strange, where=str(path))
        columns: dict[str, list[str]] = {}  # in the order of the scheme, which decides ties
        for emotion in (*protocol.emotions, None):
            found = [
                column for label, column in table.probabilities.items() if meaning[label] == emotion
            ]
            if found:
                columns[emotion or ""] = found
        notes: list[str] = []
        soft = bool(table.probabilities)
        if soft and set(columns) != set(protocol.emotions):
            if table.predicted is None:
                raise PredictionsError(
                    f"{path}: without a column of predictions, the columns {PROBABILITY}<label> "
                    f"are for each of {', '.join(protocol.emotions)} and nothing else"
                )
            soft = False
            notes.append(
                f"the probabilities are not used: they are not of {', '.join(protocol.emotions)}"
            )
        if soft:
            odd = _unlikely(table, columns, meaning, path)
            if odd and table.predicted is not None:
                soft = False
                notes.append(
                    f"the probabilities are not used: in {odd} rows they do not add up to 1, or "
                    "the prediction is not the most probable emotion"
                )
            elif odd:
                raise PredictionsError(
                    f"{path}: in {odd} rows the probabilities do not add up to 1"
                )
        return _Labels(
            emotions=protocol.emotions,
            column=table.predicted,
            meaning=meaning,
            columns={emotion: tuple(columns[emotion]) for emotion in protocol.emotions}
            if soft
            else {},
            notes=tuple(notes),
        )

    def raw(self, row: Mapping[str, str]) -> str | None:
        """The label as the table has it."""
        return row[self.column] if self.column is not None else None

    def answer(self, row: Mapping[str, str]) -> str | None:
        """The emotion predicted; None when outside the scheme."""
        if self.column is not None:
            return self.meaning[row[self.column]]
        values = self.probability(row)
        return max(self.emotions, key=lambda emotion: values[emotion])

    def probability(self, row: Mapping[str, str]) -> dict[str, float]:
        """Emotion to probability, adding up to 1."""
        return _written({e: sum(float(row[c]) for c in cs) for e, cs in self.columns.items()})

    def rows(
        self,
        table: _Table,
        tested: Mapping[str, tuple[str, Utterance]],
        answers: Mapping[Seed, Mapping[str, int]],
    ) -> tuple[list[Prediction], list[tuple[Seed, str]]]:
        """Rows of all seeds, and which of them lie outside the scheme."""
        rows: list[Prediction] = []
        wrong: list[tuple[Seed, str]] = []
        for seed, found in answers.items():
            for id, (fold, utterance) in tested.items():
                reference = utterance.emotion() or ""
                row = table.rows[found[id]] if id in found else None
                answer = self.answer(row) if row is not None else None
                if row is not None and answer is None:
                    wrong.append((seed, id))
                if row is not None and answer is not None and self.columns:
                    values = self.probability(row)
                    probabilities = [values[emotion] for emotion in self.emotions]
                else:
                    if answer is None:  # an error, and the same one whatever the system
                        place = self.emotions.index(reference) + 1
                        answer = self.emotions[place % len(self.emotions)]
                    probabilities = [float(emotion == answer) for emotion in self.emotions]
                rows.append(
                    Prediction.of(
                        seed=seed,
                        fold=fold,
                        file=id,
                        speaker=utterance.speaker,
                        emotion=reference,
                        emotions=self.emotions,
                        probabilities=probabilities,
                    )
                )
        return rows, wrong


def _written(values: Mapping[str, float]) -> dict[str, float]:
    """Probabilities as our own table has them; what already adds up stays as it is."""
    total = sum(values.values())
    scale = 1.0 if abs(total - 1.0) <= SUM_TOLERANCE else total
    return {e: round(min(1.0, value / scale), DECIMALS) for e, value in values.items()}


def _unlikely(
    table: _Table,
    columns: Mapping[str, Sequence[str]],
    meaning: Mapping[str, str | None],
    path: Path,
) -> int:
    """Rows whose probabilities do not add up, or whose prediction is not the most probable."""
    odd = 0
    for line, row in zip(table.lines, table.rows, strict=True):
        values: dict[str, float] = {}
        for emotion, names in columns.items():
            try:
                values[emotion] = sum(float(row[name]) for name in names)
            except ValueError:
                raise PredictionsError(
                    f"{path}: line {line}: a probability of {emotion} is not a number: "
                    + ", ".join(repr(row[name]) for name in names)
                ) from None
        fine = all(0.0 <= value <= 1.0 + SUM_TOLERANCE for value in values.values())
        if not fine or not math.isclose(sum(values.values()), 1.0, abs_tol=10 * SUM_TOLERANCE):
            odd += 1
        elif table.predicted is not None:
            said = meaning.get(row[table.predicted])
            emotions = tuple(columns)
            odd += said != top([_written(values)[emotion] for emotion in emotions], emotions)
    return odd


# ------------------------------------------------------------------------------- what looks odd


def _disagreements(
    table: _Table,
    tested: Mapping[str, tuple[str, Utterance]],
    answers: Mapping[Seed, Mapping[str, int]],
    protocol: Protocol,
    aliases: Mapping[str, str],
) -> list[str]:
    """Where the table's own references and folds are not those of the corpus and the protocol."""
    notes: list[str] = []
    found = next(iter(answers.values()))
    if table.reference is not None:
        in_their_order = sorted(found.items(), key=lambda item: item[1])
        pairs = [
            (id, _meant(table.rows[number][table.reference], protocol, aliases), ours)
            for id, number in in_their_order
            for ours in [tested[id][1].emotion()]
        ]
        apart = [pair for pair in pairs if pair[1] != pair[2]]
        if len(apart) > max(FEW, SHARE * len(pairs)):
            id, there, here = apart[0]
            shift = _shift([pair[1] for pair in pairs], [pair[2] for pair in pairs])
            notes.append(
                f"WARNING: {len(apart)} of {len(pairs)} references under {table.reference!r} are "
                f"not those of {protocol.corpus}, such as {id} ({there} there, {here} here): "
                + (f"they fit when moved by {shift:+d} row; " if shift else "")
                + "rows of labels may be shifted, and the system trained on such labels. The "
                "corpus's are used"
            )
        elif apart:
            notes.append(
                f"{len(apart)} of {len(pairs)} references under {table.reference!r} are not those "
                f"of {protocol.corpus}, which are used: "
                + _some([f"{id} ({there} there, {here} here)" for id, there, here in apart])
            )
    if table.fold is not None:
        theirs_to_ours: defaultdict[str, set[str]] = defaultdict(set)
        for id, number in found.items():
            theirs_to_ours[table.rows[number][table.fold]].add(tested[id][0])
        mixed = [fold for fold, ours in theirs_to_ours.items() if len(ours) > 1]
        if mixed and len(theirs_to_ours) > 1:
            fold = mixed[0]
            notes.append(
                f"WARNING: its folds are not those of {protocol.name} (its fold {fold} holds test "
                f"utterances of {', '.join(sorted(theirs_to_ours[fold])[:5])}): the system may "
                "have been trained on test speakers or sentences"
            )
    return notes


def _meant(label: str, protocol: Protocol, aliases: Mapping[str, str]) -> str | None:
    """A foreign reference in the scheme, or as it stands."""
    try:
        emotion = canonical(label, aliases=aliases)
    except UnknownLabelError:
        return label
    if protocol.label_map is None or emotion in protocol.emotions:
        return emotion
    return label_map(protocol.label_map)(emotion)


def _shift(theirs: Sequence[Any], ours: Sequence[Any]) -> int:
    """By how many rows ``theirs`` must move to fit ``ours``; 0 when no move does."""
    for step in (1, -1):
        moved = theirs[:-step] if step > 0 else theirs[-step:]
        fixed = ours[step:] if step > 0 else ours[:step]
        if moved and sum(a == b for a, b in zip(moved, fixed, strict=True)) >= 0.98 * len(moved):
            return step
    return 0


def _doubts(table: _Table, rows: Sequence[Prediction], numbers: Mapping[str, int]) -> Sequence[str]:
    """Signs that rows were shifted or permuted, or that labels were mapped wrongly.

    Rows may have been shifted in the order of the table, which is not always that of the files.
    """
    last = len(table.rows)
    as_given = [replace(row, file=f"{numbers.get(row.file, last):09d} {row.file}") for row in rows]
    if shifted_labels(as_given).p_value < shifted_labels(rows).p_value:
        found = [line.replace("sorted by file", "row by row") for line in doubts(as_given)]
    else:
        found = doubts(rows)
    return [f"WARNING: {line}" for line in found]
