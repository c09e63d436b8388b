"""The command line: one file per command.

Everything heavy is imported inside the commands, so that ``serkit --help`` answers at once.
"""

from serkit.cli import (
    audit,
    corpora,
    cross,
    degrade,
    demo,
    doctor,
    enrol,
    evaluate,
    fuse,
    listen,
    picture,
    predict,
    report,
    timeline,
    train,
    verify,
)
from serkit.cli.shell import app

__all__ = ["app", "main"]

for command in (  # in the order of --help
    corpora.corpora,
    audit.audit,
    train.train,
    evaluate.evaluate,
    cross.cross,
    fuse.fuse,
    predict.predict,
    timeline.timeline,
    listen.listen,
    picture.show,
    enrol.enrol,
    verify.verify,
    degrade.degrade,
    report.report,
    demo.demo,
    doctor.doctor,
):
    _ = app.command()(command)


def main() -> None:
    """What the command ``serkit`` runs."""
    app()
