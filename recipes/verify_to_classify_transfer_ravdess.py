"""Verify-to-classify from Emo-DB to RAVDESS speech: six folds of speakers, eight emotions.

    python recipes/verify_to_classify_transfer_ravdess.py [--corpus FOLDER] [--folds 1,2]

The extractor is that of fold 03 of verify_to_classify_emodb.py (run it before: --folds 03 --rows
verify_to_classify.emodb-loso is enough), trained on acted German, and stays frozen; only the
classifier and the enrolments are of RAVDESS. Writes
results/verify_to_classify.ravdess-6fold.from-emodb.frozen.csv and what is behind it; goes on where
it was stopped. About two minutes a fold.
"""

from verify_to_classify_ravdess import recipe as from_nothing

from serkit.experiment import Recipe, study


def recipe() -> Recipe:
    """What decides the rows."""
    whole, _ = from_nothing()
    return Recipe(
        results="verify_to_classify.ravdess-6fold.from-emodb.frozen",
        system=whole.system,
        corpus=whole.corpus,
        protocol=whole.protocol,
        system_settings=whole.system_settings,
        pretrained="verify_to_classify.emodb-loso/seed0/fold-03",
        pretrained_by="recipes/verify_to_classify_emodb.py --folds 03 --rows "
        "verify_to_classify.emodb-loso",
        frozen=True,
    )


if __name__ == "__main__":
    study(__file__, recipe())
