"""The recogniser that comes with serkit: a CRNN on Emo-DB and RAVDESS, six emotions.

    python recipes/shipped.py [--corpus FOLDER] [--rows NAME,...] [--seeds 0,1,2] [--folds 1,2]

Reads emodb/ and ravdess/ in the folder of corpora; writes results/<row>.csv and its predictions,
and goes on where it was stopped. About five minutes a fold on a GPU.

shipped.in-corpus         held-out speakers of both corpora, five folds, three seeds; its
                          development speakers calibrate, and choose nothing else
shipped.emodb-to-ravdess  one corpus trains, the other tests
shipped.ravdess-to-emodb
shipped.everything        trained on all speakers of both, tested on EmoTale: the model of this fold
                          is shipped (runs/shipped.everything/seed0/fold-everything)
shipped.everything-cremad the same training, tested on CREMA-D, for who has that and not EmoTale

Only emotions that both corpora have are learnt: RAVDESS's calm and surprise and Emo-DB's boredom
are left out, not merged. Every training utterance is heard as it is, in a room with white noise, in
pink noise, and over the telephone. All rows are trained alike, for a fixed
number of epochs, and keep the last one.
"""

from dataclasses import replace

from serkit.experiment import Recipe, study
from serkit.trainer import Settings

EPOCHS = 8
"""As many as there was computing time for; no other number was tried."""

IN_CORPUS = Recipe(
    results="shipped.in-corpus",
    system="crnn",
    corpus="emodb+ravdess",
    protocol="emodb-ravdess-5fold",
    system_settings={"augment": "vtlp+specaugment", "trim": 30.0},
    settings=Settings(
        epochs=EPOCHS,
        patience=None,
        score_every=EPOCHS,  # the development side is answered once, and no epoch is chosen
        batch=32,
        lr=2e-3,
        weight_decay=1e-4,
        schedule="one_cycle",
        mixup=0.3,
        label_smoothing=0.1,
        average=0.99,
    ),
    seeds=(0, 1, 2),
    also_heard=("lq", "noise:pink:10", "telephone"),
)


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows."""
    whole = replace(IN_CORPUS, refit="full")  # no development side is set apart
    return (
        IN_CORPUS,
        replace(whole, results="shipped.emodb-to-ravdess", protocol="emodb-to-ravdess"),
        replace(whole, results="shipped.ravdess-to-emodb", protocol="ravdess-to-emodb"),
        replace(
            whole,
            results="shipped.everything",
            corpus="emodb+ravdess+emotale",
            protocol="emodb-ravdess-to-emotale",
        ),
        replace(
            whole,
            results="shipped.everything-cremad",
            corpus="emodb+ravdess+cremad",
            protocol="emodb-ravdess-to-cremad",
        ),
    )


if __name__ == "__main__":
    study(__file__, *recipe())
