"""A fold keeps where some answers came from, and the report shows it."""

from collections.abc import Callable

import numpy as np

from serkit.evaluation.explanation_picture import most_telling
from serkit.experiment import Experiment, gather
from serkit.experiment.explained import read_explanations
from serkit.experiment.folder import EXPLAINED, fold_folder


def test_the_report_of_facenet_shows_what_it_saw(experiment: Callable[..., Experiment]) -> None:
    made = experiment(system="facenet", system_settings={"picture": "waveform"}, refit="full")
    finished = made.run()
    for fold in ("s1", "s2", "s3"):
        folder = fold_folder(finished.folder, 0, fold)
        found, sees = read_explanations(folder / EXPLAINED)
        assert sees == "waveform"
        told = most_telling([row for row in finished.predictions if row.fold == fold])
        assert set(found) == {row.file for row in told}
        for one in found.values():
            assert (one.start, one.end) == (0.0, 1.0)  # of 0.3 s, and silence after it
            assert one.picture.shape == one.map.shape == (96, 96)
            assert set(np.unique(one.picture)) == {0.0, 1.0}
            assert (one.picture[:, 48:].sum(0) == 1).all()  # a line through the silence
            assert one.map.min() >= 0.0
            assert one.map.max() in (0.0, 1.0)
    assert finished.report is not None
    assert 'id="explanations"' in finished.report.read_text(encoding="utf-8")
    for path in finished.folder.glob(f"seed*/fold-*/{EXPLAINED}"):
        path.unlink()  # of folders from before it was kept
    again = gather(finished.folder, report=True)
    assert again.report is not None
    assert 'id="explanations"' not in again.report.read_text(encoding="utf-8")
