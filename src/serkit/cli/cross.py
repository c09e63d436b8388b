"""``serkit cross``: train on each corpus, test on each."""

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.shell import (
    AllowLeakOption,
    misunderstood,
    new_console,
    new_table,
    read_corpus,
    whole_numbers,
)
from serkit.cli.show import show_written


def cross(
    corpora: Annotated[
        str,
        typer.Option(
            "--corpora",
            metavar="NAME=PATH,NAME=PATH,...",
            help="Two or more, each as --corpus of train.",
        ),
    ],
    systems: Annotated[
        str, typer.Option("--systems", metavar="A,B,...", help="Such as crnn,opensmile-svm.")
    ] = "crnn",
    label_map: Annotated[
        str, typer.Option("--label-map", metavar="NAME", help="Which emotions all cells share.")
    ] = "four",
    protocols: Annotated[
        str,
        typer.Option(
            "--protocols",
            metavar="CORPUS=NAME,...",
            help="How a corpus is judged on itself. Default: its own default protocol.",
        ),
    ] = "",
    seeds: Annotated[str, typer.Option("--seeds", metavar="N,N,...", help="One run each.")] = "0",
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Gone on with if there.")
    ] = Path("runs/cross"),
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SYSTEM.NAME=VALUE",
            help="Try a setting of a system or of its trainer; may be repeated. Marks the run.",
        ),
    ] = None,
    allow_leak: AllowLeakOption = None,
) -> None:
    """Train each system on each corpus and test it on each: a table and a heat map.

    A system is trained once on each corpus and tested on all of every other one; on its own corpus
    it is judged under that corpus's protocol, on speakers it never heard.
    """
    numbers = whole_numbers(seeds, "--seeds")
    from serkit.experiment import CrossStudy, console_watch, resolve, system_class, write_cross

    names = tuple(word.strip().replace("-", "_") for word in systems.split(",") if word.strip())
    for name in names:
        _ = system_class(name)
    assigned: dict[str, list[str]] = {name: [] for name in names}
    for assignment in set_ or ():
        owner, dot, rest = assignment.partition(".")
        if not dot or owner.replace("-", "_") not in assigned:
            misunderstood(
                f"--set {assignment}: say whose setting it is, such as {names[0]}.{assignment}"
            )
        assigned[owner.replace("-", "_")].append(rest)
    resolved = {name: resolve(words, system=name) for name, words in assigned.items()}
    given = [word.strip() for word in corpora.split(",") if word.strip()]
    read = {corpus.name: corpus for corpus in map(read_corpus, given)}
    if len(read) < len(given):
        misunderstood(f"--corpora names a corpus twice: {corpora}")
    cuts: dict[str, str] = {}
    for word in filter(None, protocols.split(",")):
        name, equals, cut = word.partition("=")
        if not equals or name not in read:
            misunderstood(
                f"--protocols takes CORPUS=NAME with one of {', '.join(read)}, not {word}"
            )
        cuts[name] = cut
    study = CrossStudy(
        systems=names,
        corpora=read,
        label_map=label_map,
        protocols=cuts,
        out=out,
        seeds=numbers,
        system_settings={name: found.system_settings for name, found in resolved.items()},
        settings={name: found.settings for name, found in resolved.items()},
        changed=tuple(set_ or ()),
        allow_leaks=tuple(allow_leak or ()),
    )
    with console_watch().shown() as watch:
        cells = study.run(watch=watch)
    console = new_console()
    console.print(
        f"UAR over {', '.join(study.shared_emotions)}; trained on the row, tested on the column; "
        "on the diagonal on unheard speakers of the same corpus",
        style="bold",
    )
    for system in names:
        table = new_table(system, *read, numbers=len(read))
        for train in read:
            found = {c.test: c.rows[-1] for c in cells if (c.system, c.train) == (system, train)}
            table.add_row(train, *(_figure(found.get(test)) for test in read))
        console.print(table)
    show_written(console, write_cross(out, cells))


def _figure(row: dict[str, str | int | float] | None) -> str:
    if row is None:
        return "-"
    interval = f" [{row['uar_low']:.3f}, {row['uar_high']:.3f}]" if row["uar_low"] != "" else ""
    return f"{row['uar']:.3f}{interval}"
