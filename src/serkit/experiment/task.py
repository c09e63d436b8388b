"""What a system is asked for, emotions or affect, and the tables that hold its answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from serkit import corpus, evaluation
from serkit.corpus import AFFECT, Utterance
from serkit.evaluation import Prediction
from serkit.experiment.waveforms import Waveforms

Row = dict[str, str | int | float]

Answers = Sequence[Any]
"""Rows of a table of predictions: ``Prediction`` or ``AffectPrediction``, all of one kind."""


@runtime_checkable
class Task(Protocol):
    """One kind of answer: how it is learnt, chosen by, written down and scored."""

    figure: str
    """What the headline figure is called."""
    field: str
    """The field of a system's Config that names what is answered."""

    def names(self, protocol: corpus.Protocol) -> tuple[str, ...]:
        """What is answered under a protocol: its emotions, or dimensions of affect."""
        ...

    def remarks(self, protocol: corpus.Protocol) -> tuple[str, ...]:
        """What a reader of the figures must know of this protocol's labels."""
        ...

    def targets(self, side: Sequence[Utterance], names: Sequence[str]) -> list[Any]:
        """What a system learns from each utterance."""
        ...

    def selector(
        self, development: Sequence[Utterance], waveforms: Waveforms, names: Sequence[str]
    ) -> Callable[[Any], dict[str, float]]:
        """Scores a system on development speakers; the first figure decides."""
        ...

    def answers(
        self,
        system: Any,
        utterances: Sequence[Utterance],
        waveforms: Waveforms,
        names: Sequence[str],
        *,
        seed: int,
        fold: str,
    ) -> list[Any]:
        """A system's answer to each utterance, as rows of a table of predictions."""
        ...

    def headline(self, rows: Answers) -> float:
        """The headline figure of some rows."""
        ...

    def read(self, path: Path) -> list[Any]:
        """Read a table of predictions."""
        ...

    def write(self, path: Path, rows: Iterable[Any]) -> Path:
        """Write a table of predictions."""
        ...

    def result_rows(self, rows: Answers, **facts: Any) -> list[Row]:
        """Rows for ``results/*.csv``."""
        ...

    def difference(self, first: Answers, second: Answers) -> Any:
        """The comparison of two systems' headline figures on the same utterances."""
        ...


class EmotionTask:
    """One of several emotions for each utterance, with probabilities; judged by UAR.

    Example:
        >>> from serkit.corpus import load, protocol
        >>> excerpt = load("excerpt")
        >>> pairs = protocol("excerpt-5pairs", excerpt)
        >>> EmotionTask().targets(pairs.folds[0].test[:3], EmotionTask().names(pairs))
        [1, 2, 0]
    """

    figure = "UAR"
    field = "emotions"

    def names(self, protocol: corpus.Protocol) -> tuple[str, ...]:
        """The scheme of the protocol."""
        return protocol.emotions

    def remarks(self, protocol: corpus.Protocol) -> tuple[str, ...]:
        """Folds whose training side lacks an emotion, which is then never heard on its test side.

        Example:
            >>> from serkit.corpus import load, protocol
            >>> EmotionTask().remarks(protocol("excerpt-5pairs", load("excerpt")))
            ()
        """
        lines: list[str] = []
        for fold in protocol.folds:
            there = {utterance.emotion() for utterance in (*fold.train, *fold.development)}
            lacking = [emotion for emotion in protocol.emotions if emotion not in there]
            if lacking:
                lines.append(
                    f"Fold {fold.name} has no {' and no '.join(lacking)} to learn from, so it "
                    "cannot hear it."
                )
        return tuple(lines)

    def targets(self, side: Sequence[Utterance], names: Sequence[str]) -> list[int]:
        """The place of each utterance's emotion in the scheme."""
        return [names.index(utterance.emotion() or "") for utterance in side]

    def selector(
        self, development: Sequence[Utterance], waveforms: Waveforms, names: Sequence[str]
    ) -> Callable[[Any], dict[str, float]]:
        """UAR decides, the loss is recorded."""
        heard = waveforms.of(development)
        reference = self.targets(development, names)
        words = [names[index] for index in reference]

        def scores(system: Any) -> dict[str, float]:
            posterior = system.posterior(heard).double().cpu().numpy()
            predicted = [names[int(index)] for index in posterior.argmax(1)]
            of_reference = posterior[np.arange(len(reference)), reference]
            return {
                "uar": evaluation.uar(words, predicted, names, absent="skip"),
                "loss": float(-np.log(np.maximum(of_reference, 1e-12)).mean()),
            }

        return scores

    def answers(
        self,
        system: Any,
        utterances: Sequence[Utterance],
        waveforms: Waveforms,
        names: Sequence[str],
        *,
        seed: int,
        fold: str,
    ) -> list[Prediction]:
        """Probabilities of each emotion."""
        posterior = system.posterior(waveforms.of(utterances)).double().cpu().numpy()
        return [
            Prediction.of(
                seed=seed,
                fold=fold,
                file=utterance.id,
                speaker=utterance.speaker,
                emotion=utterance.emotion() or "",
                emotions=names,
                probabilities=probabilities,
            )
            for utterance, probabilities in zip(utterances, posterior, strict=True)
        ]

    def headline(self, rows: Answers) -> float:
        """UAR over the emotions that are there."""
        emotions = tuple(rows[0].probabilities)
        return evaluation.uar(
            [row.emotion for row in rows],
            [row.predicted for row in rows],
            emotions,
            absent="skip",
        )

    def read(self, path: Path) -> list[Prediction]:
        """See ``evaluation.read_predictions``."""
        return evaluation.read_predictions(path)

    def write(self, path: Path, rows: Iterable[Any]) -> Path:
        """See ``evaluation.write_predictions``."""
        return evaluation.write_predictions(path, rows)

    def result_rows(self, rows: Answers, **facts: Any) -> list[Row]:
        """See ``evaluation.result_rows``."""
        return evaluation.result_rows(rows, **facts)

    def difference(self, first: Answers, second: Answers) -> Any:
        """See ``evaluation.compare_predictions``."""
        return evaluation.compare_predictions(first, second)


class AffectTask:
    """Values of arousal, valence and dominance for each utterance; judged by their mean CCC.

    Example:
        >>> from serkit.corpus import Rating
        >>> utterance = Utterance(id="own/a", path=Path("a.wav"), ratings=(
        ...     Rating(rater="consensus", affect={"arousal": 0.75, "valence": 0.25}),))
        >>> AffectTask().targets([utterance], ["valence", "arousal"])
        [(0.25, 0.75)]
    """

    figure = "CCC"
    field = "affect"

    def names(self, protocol: corpus.Protocol) -> tuple[str, ...]:
        """The dimensions that every utterance of the protocol was rated on."""
        everyone = everyone_in(protocol)
        return tuple(name for name in AFFECT if all(name in u.affect() for u in everyone))

    def remarks(self, protocol: corpus.Protocol) -> tuple[str, ...]:
        """Dimensions left out because some utterances were not rated on them."""
        everyone = everyone_in(protocol)
        counts = {name: sum(name in u.affect() for u in everyone) for name in AFFECT}
        return tuple(
            f"{name} is left out: {count} of {len(everyone)} utterances were rated on it."
            for name, count in counts.items()
            if 0 < count < len(everyone)
        )

    def targets(self, side: Sequence[Utterance], names: Sequence[str]) -> list[tuple[float, ...]]:
        """The values of each utterance, in [0, 1]."""
        return [tuple(utterance.affect()[name] for name in names) for utterance in side]

    def selector(
        self, development: Sequence[Utterance], waveforms: Waveforms, names: Sequence[str]
    ) -> Callable[[Any], dict[str, float]]:
        """The mean CCC decides."""
        heard = waveforms.of(development)
        reference = np.asarray(self.targets(development, names))

        def scores(system: Any) -> dict[str, float]:
            values = system.affect(heard).double().cpu().numpy()
            found = [evaluation.ccc(reference[:, n], values[:, n]) for n in range(len(names))]
            # a constant answer has no concordance, which is no better than none
            known = {name: float(np.nan_to_num(v)) for name, v in zip(names, found, strict=True)}
            return {"ccc": sum(known.values()) / len(known), **known}

        return scores

    def answers(
        self,
        system: Any,
        utterances: Sequence[Utterance],
        waveforms: Waveforms,
        names: Sequence[str],
        *,
        seed: int,
        fold: str,
    ) -> "list[evaluation.AffectPrediction]":
        """Values of each dimension."""
        values = system.affect(waveforms.of(utterances)).double().cpu().numpy()
        return [
            evaluation.AffectPrediction.of(
                seed=seed,
                fold=fold,
                file=utterance.id,
                speaker=utterance.speaker,
                reference={name: utterance.affect()[name] for name in names},
                predicted=dict(zip(names, map(float, row), strict=True)),
            )
            for utterance, row in zip(utterances, values, strict=True)
        ]

    def headline(self, rows: Answers) -> float:
        """Mean of the CCC of the dimensions."""
        names = tuple(rows[0].reference)
        return sum(
            evaluation.ccc([r.reference[name] for r in rows], [r.predicted[name] for r in rows])
            for name in names
        ) / len(names)

    def read(self, path: Path) -> "list[evaluation.AffectPrediction]":
        """See ``evaluation.read_affect_predictions``."""
        return evaluation.read_affect_predictions(path)

    def write(self, path: Path, rows: Iterable[Any]) -> Path:
        """See ``evaluation.write_affect_predictions``."""
        return evaluation.write_affect_predictions(path, rows)

    def result_rows(self, rows: Answers, **facts: Any) -> list[Row]:
        """See ``evaluation.affect_result_rows``."""
        return evaluation.affect_result_rows(rows, **facts)

    def difference(self, first: Answers, second: Answers) -> Any:
        """See ``evaluation.compare_affect``."""
        return evaluation.compare_affect(first, second)


def everyone_in(protocol: corpus.Protocol) -> list[Utterance]:
    """Every utterance of a protocol, once."""
    sides = [side for fold in protocol.folds for side in fold.sides.values()]
    return list({utterance.id: utterance for side in sides for utterance in side}.values())


TASKS: Mapping[str, Task] = {"emotion": EmotionTask(), "affect": AffectTask()}
"""The kinds of answer, by the name in a system's ``task`` and in a protocol's."""


def task_of(described: Mapping[str, Any]) -> Task:
    """The task of the experiment that ``experiment.json`` describes."""
    return TASKS[described["protocol"].get("task", "emotion")]
