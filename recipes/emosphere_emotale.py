"""EmoSphere-SER on EmoTale, six folds of three speakers: arousal, valence and dominance.

    python recipes/emosphere_emotale.py [--corpus FOLDER] [--rows NAME,...] [--seeds 0,1,2]

Writes three files and what is behind them; goes on where it was stopped. About four minutes a fold
on one core of a processor that computes in bfloat16.

results/emosphere.emotale-6fold.scratch.csv     the encoder cnn_blstm from nothing; the best of 30
                                                epochs on the development speakers is kept
results/emosphere.emotale-6fold.pretrained.csv  it begins from fold 1 of
                                                encoder_classifier_ravdess.py, which must be run
                                                before (--folds 1 is enough)
results/emosphere.emotale-6fold.csv             the same, trained on training and development
                                                speakers together for all of the epochs (refit
                                                "full"), as the baseline is
"""

from dataclasses import replace
from typing import Any

from serkit.experiment import Recipe, study
from serkit.trainer import Settings

NETWORK: dict[str, Any] = {
    "encoder": "cnn_blstm",
    "augment": "vtlp+specaugment",
    "region_weight_cap": 10.0,
}

TRAINING = Settings(
    epochs=30, patience=None, weight_decay=0.01, schedule="one_cycle", balance="none"
)


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows: from scratch, pre-trained, pre-trained and without a choice."""
    scratch = Recipe(
        results="emosphere.emotale-6fold.scratch",
        system="emosphere",
        corpus="emotale",
        protocol="emotale-6fold",
        system_settings=NETWORK,
        settings=TRAINING,
    )
    pretrained = replace(
        scratch,
        results="emosphere.emotale-6fold.pretrained",
        pretrained="encoder_classifier.ravdess-6fold/seed0/fold-1",
        pretrained_by="recipes/encoder_classifier_ravdess.py --folds 1",
    )
    whole = replace(pretrained, results="emosphere.emotale-6fold", refit="full")
    return scratch, pretrained, whole


if __name__ == "__main__":
    study(__file__, *recipe())
