"""openSMILE functionals and linear discriminants on Emo-DB, one speaker left out at a time.

    python recipes/opensmile_lda_emodb.py [--corpus FOLDER]

Writes results/opensmile-lda.emodb-loso.csv, its predictions and the scores of its trials; goes
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
        results="opensmile-lda.emodb-loso",
        system="opensmile_lda",
        corpus="emodb",
        protocol="emodb-loso",
        refit="full",
    )


if __name__ == "__main__":
    study(__file__, recipe())
