"""openSMILE functionals and linear discriminants on RAVDESS, six folds of four actors.

    python recipes/opensmile_lda_ravdess.py [--corpus FOLDER]

Writes results/opensmile-lda.ravdess-6fold.csv, its predictions and the scores of its trials; goes
on where it was stopped. This is the baseline of verification; docs/systems/opensmile_lda.md says
what it is made of.

Trained, and emotions enrolled, on all speakers outside the test fold: nothing is chosen on
development speakers (refit "full"). There is one seed because nothing is random. Needs the extra
serkit[opensmile], for non-commercial use only.
"""

from serkit.experiment import Recipe, study


def recipe() -> Recipe:
    """What decides the rows."""
    return Recipe(
        results="opensmile-lda.ravdess-6fold",
        system="opensmile_lda",
        corpus="ravdess",
        protocol="ravdess-6fold",
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, recipe())
