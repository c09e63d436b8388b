"""What is claimed: figures, how sure they are, and the report. No torch is needed here."""

from serkit.evaluation.classification import (
    METRICS,
    Absent,
    Confusion,
    f1,
    macro_f1,
    marked,
    precision,
    recall,
    top,
    uar,
    war,
)
from serkit.evaluation.figures import LearningCurve
from serkit.evaluation.interval import (
    Comparison,
    Interval,
    compare,
    speaker_bootstrap,
    speaker_draws,
)
from serkit.evaluation.predictions import (
    Prediction,
    PredictionsError,
    Seed,
    read_predictions,
    write_predictions,
)
from serkit.evaluation.report import read_learning_curve, write_report
from serkit.evaluation.results import (
    RESULT_COLUMNS,
    read_results,
    result_rows,
    results_table,
    write_results,
)
from serkit.evaluation.scores import Figure, Scores, compare_predictions, ensemble, score

__all__ = [
    "METRICS",
    "RESULT_COLUMNS",
    "Absent",
    "Comparison",
    "Confusion",
    "Figure",
    "Interval",
    "LearningCurve",
    "Prediction",
    "PredictionsError",
    "Scores",
    "Seed",
    "compare",
    "compare_predictions",
    "ensemble",
    "f1",
    "macro_f1",
    "marked",
    "precision",
    "read_learning_curve",
    "read_predictions",
    "read_results",
    "recall",
    "result_rows",
    "results_table",
    "score",
    "speaker_bootstrap",
    "speaker_draws",
    "top",
    "uar",
    "war",
    "write_predictions",
    "write_report",
    "write_results",
]
