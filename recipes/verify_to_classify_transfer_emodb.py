"""Verify-to-classify from RAVDESS to Emo-DB: five speaker pairs, seven emotions.

    python recipes/verify_to_classify_transfer_emodb.py [--corpus FOLDER] [--rows NAME,...]

The extractor is that of fold 1 of verify_to_classify_ravdess.py (run it before: --folds 1 --rows
verify_to_classify.ravdess-6fold is enough), trained on acted English; its emotions, eight, are not
those of Emo-DB. Frozen, only the classifier and the enrolments are of Emo-DB: a minute a fold.
Fine-tuned, every fold goes on from there at a third of the learning rate, chosen by its own
development speakers; as long as training from nothing. Writes
results/verify_to_classify.emodb-5pairs.from-ravdess.<how>.csv and what is behind it; goes on where
it was stopped.
"""

from dataclasses import replace

from verify_to_classify_emodb_objectives import NETWORK, TRAINING

from serkit.experiment import Recipe, study

PRETRAINED = "verify_to_classify.ravdess-6fold/seed0/fold-1"


def recipe() -> tuple[Recipe, ...]:
    """What decides the rows, frozen and fine-tuned."""
    frozen = Recipe(
        results="verify_to_classify.emodb-5pairs.from-ravdess.frozen",
        system="verify_to_classify",
        corpus="emodb",
        protocol="emodb-5pairs",
        system_settings=NETWORK,
        settings=TRAINING,
        pretrained=PRETRAINED,
        pretrained_by="recipes/verify_to_classify_ravdess.py --folds 1 --rows "
        "verify_to_classify.ravdess-6fold",
        frozen=True,
    )
    tuned = replace(
        frozen,
        results="verify_to_classify.emodb-5pairs.from-ravdess.fine-tuned",
        settings=replace(TRAINING, lr=1e-3),
        frozen=False,
    )
    return frozen, tuned


if __name__ == "__main__":
    study(__file__, *recipe())
