"""Tables of predictions made by construction."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from serkit.evaluation import Prediction

EMOTIONS = ("anger", "neutral", "sadness")

MakeRows = Callable[..., list[Prediction]]


@pytest.fixture(scope="session")
def make_rows() -> MakeRows:
    """A factory of tables: one fold per speaker, answers right with a chance drawn per speaker."""

    def make(
        *,
        seeds: Sequence[int | str] = (0,),
        num_speakers: int = 9,
        takes: int = 3,
        emotions: Sequence[str] = EMOTIONS,
        generator_seed: int = 1,
    ) -> list[Prediction]:
        generator = np.random.default_rng(generator_seed)
        rows: list[Prediction] = []
        for seed in seeds:
            for speaker in range(num_speakers):
                for index, emotion in enumerate(emotions):
                    for take in range(takes):
                        probabilities = generator.dirichlet(np.ones(len(emotions)))
                        probabilities[index] += 0.4
                        rows.append(
                            Prediction.of(
                                seed=seed,
                                fold=f"{speaker:02d}",
                                file=f"tones/{speaker:02d}-{emotion}-{take}",
                                speaker=f"tones/{speaker:02d}",
                                emotion=emotion,
                                emotions=emotions,
                                probabilities=probabilities / probabilities.sum(),
                            )
                        )
        return rows

    return make
