"""Timelines as files that annotators, statisticians and players open; turns from RTTM.

| format | ending | what is in it | time |
|---|---|---|---|
| ``csv``, ``parquet`` | ``.csv``, ``.parquet`` | rows of windows, or of segments | s, 6 decimals |
| ``json`` | ``.json`` | everything: settings, summary, windows, segments | s, 6 decimals |
| ``textgrid`` | ``.TextGrid`` | Praat: interval tiers that tile the recording | s, exact |
| ``eaf`` | ``.eaf`` | ELAN: tiers of annotations, linked to the recording | whole ms |
| ``audacity`` | ``.txt`` | a label track | s, 6 decimals |
| ``rttm`` | ``.rttm`` | a ``SPEAKER`` line for each segment | s, 3 decimals |
| ``srt``, ``vtt`` | ``.srt``, ``.vtt`` | a subtitle for each segment | ms |

Tables, JSON and TextGrid say where silence is; in the others it is what has no label. With turns,
TextGrid and ELAN have tiers for each speaker, and the others name the speaker with the label.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from serkit.corpus.utterance import Rating, Seconds
from serkit.evaluation.predictions import replace_whole
from serkit.predictor.stream import SILENCE, Segment, TimelineError, Turn, Window, share_said
from serkit.predictor.timeline import Timeline

Rows = Literal["windows", "segments"]
"""What a row of a table is."""


class Annotation(NamedTuple):
    """A format of files."""

    suffix: str
    encode: Callable[[Timeline, Rows], bytes]


class TurnsError(ValueError):
    """A file of turns that cannot be used, and the line that is wrong."""

    is_usage = True


def write(
    timeline: Timeline, path: str | Path, *, form: str | None = None, rows: Rows = "windows"
) -> Path:
    """Write a timeline to a file, all of it or nothing.

    Args:
        timeline: What to write.
        path: Where to; folders are made.
        form: One of ``FORMATS``; None goes by the ending (``.txt`` is a label track of Audacity).
        rows: What a row of a table is; the other formats have their own units.

    Returns:
        The path.

    Raises:
        TimelineError: There is no such format.

    Example:
        >>> import tempfile
        >>> timeline = Timeline(
        ...     file="call.wav", duration=4.0, rater="crnn", emotions=("anger", "joy"), affect=(),
        ...     window=3.0, hop=1.0, smooth=0.0, vad="energy", windows=(),
        ...     segments=(Segment(start=0.0, end=2.5, label="joy"),
        ...               Segment(start=2.5, end=4.0, label="silence")))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(write(timeline, Path(folder) / "call.rttm").read_text(), end="")
        SPEAKER call 1 0.000 2.500 <NA> <NA> joy <NA> <NA>
    """
    path = Path(path)
    content = encode(timeline, form or format_of(path), rows=rows)
    replace_whole(path, content)
    return path


def encode(timeline: Timeline, form: str, *, rows: Rows = "windows") -> bytes:
    """The bytes of a file in a format.

    Raises:
        TimelineError: There is no such format.
    """
    if form not in FORMATS:
        raise TimelineError(f"there is no format {form!r}; there are: {', '.join(FORMATS)}")
    return FORMATS[form].encode(timeline, rows)


def format_of(path: Path) -> str:
    """The format that a file's ending stands for.

    Raises:
        TimelineError: None does.

    Example:
        >>> format_of(Path("call.TextGrid"))
        'textgrid'
    """
    for name, annotation in FORMATS.items():
        if path.suffix.lower() == annotation.suffix.lower():
            return name
    known = ", ".join(annotation.suffix for annotation in FORMATS.values())
    raise TimelineError(f"{path}: no format has this ending; those that do: {known}")


def read_turns(path: str | Path, *, recording: str | Path | None = None) -> tuple[Turn, ...]:
    """Who speaks when, from the ``SPEAKER`` lines of an RTTM file.

    Turns of one speaker that overlap or touch are one turn; those of several may overlap.

    Args:
        path: The file.
        recording: Whose turns, by its name without the ending; None takes those of the only one.

    Raises:
        TurnsError: A line cannot be read, or the file has no turns of this recording.

    Example:
        >>> import tempfile
        >>> line = "SPEAKER call 1 0.50 2.25 <NA> <NA> Ann <NA> <NA>"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "call.rttm").write_text(line)
        ...     read_turns(Path(folder) / "call.rttm")
        (Turn(start=0.5, end=2.75, speaker='Ann'),)
    """
    path = Path(path)
    found: dict[str, list[Turn]] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TurnsError(f"{path} is not text in UTF-8, so not RTTM") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0] != "SPEAKER":  # comments, and kinds that hold no turns
            continue
        try:
            start, duration = float(words[3]), float(words[4])
            speaker = words[7]
        except (IndexError, ValueError):
            start, duration, speaker = math.nan, 0.0, ""
        if not (math.isfinite(start + duration) and start >= 0 and duration >= 0):
            raise TurnsError(
                f"{path}, line {number}: {line.strip()!r} is not SPEAKER NAME CHANNEL START "
                "DURATION <NA> <NA> SPEAKER with times in seconds, 0 or more"
            )
        turn = Turn(start=start, end=start + duration, speaker=speaker)
        found.setdefault(words[1], []).append(turn)
    wanted = None if recording is None else Path(recording).stem
    if wanted is None and len(found) == 1:
        return _joined(next(iter(found.values())))
    if wanted in found:
        return _joined(found[wanted])
    if not found:
        raise TurnsError(f"{path} has no line that begins with SPEAKER, so no turns")
    raise TurnsError(
        f"{path} has turns of {', '.join(sorted(found)[:8])}; none of them is "
        f"{wanted or 'named'}: rename the recording, or give a file of its turns alone"
    )


def _joined(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    latest: dict[str, Turn] = {}
    done: list[Turn] = []
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end, turn.speaker)):
        before = latest.get(turn.speaker)
        if before is not None and turn.start <= before.end:
            end = max(before.end, turn.end)
            latest[turn.speaker] = Turn(start=before.start, end=end, speaker=turn.speaker)
        else:
            done += [before] if before is not None else []
            latest[turn.speaker] = turn
    done += latest.values()
    return tuple(sorted(done, key=lambda turn: (turn.start, turn.end, turn.speaker)))


# ---------------------------------------------------------------------------------- tables, JSON


def _columns(timeline: Timeline, rows: Rows) -> list[dict[str, Any]]:
    """A row for each window or segment; None where there is nothing to say."""
    found: list[dict[str, Any]] = []
    chosen: Sequence[Window | Segment] = (
        timeline.windows if rows == "windows" else timeline.segments
    )
    for one in chosen:
        row: dict[str, Any] = {
            "file": timeline.file,
            "start": _rounded(one.start),
            "end": _rounded(one.end),
            "speaker": one.speaker,
            "label": one.label,
        }
        if isinstance(one, Window):
            row["speech"] = _rounded(one.speech)
            row |= _values(timeline, one.rating, "")
            row |= _values(timeline, one.smoothed, "smoothed_")
            row["notes"] = "; ".join(one.notes)
        else:
            row |= _values(timeline, one.rating, "")
        found.append(row)
    return found


def _values(timeline: Timeline, rating: Rating | None, prefix: str) -> dict[str, float | None]:
    emotion = rating.emotion if rating is not None else {}
    affect = rating.affect if rating is not None else {}
    return {
        **{f"{prefix}probability_{name}": _known(emotion, name) for name in timeline.emotions},
        **{f"{prefix}{name}": _known(affect, name) for name in timeline.affect},
    }


def _known(values: Mapping[str, float], name: str) -> float | None:
    return _rounded(values[name]) if name in values else None


def _rounded(value: float) -> float:
    return round(value, 6)


def _header(timeline: Timeline, rows: Rows) -> list[str]:
    values = [*_values(timeline, None, "")]
    smoothed = [*_values(timeline, None, "smoothed_")]
    names = ["file", "start", "end", "speaker", "label"]
    return [*names, "speech", *values, *smoothed, "notes"] if rows == "windows" else names + values


def _csv(timeline: Timeline, rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, _header(timeline, rows), lineterminator="\n")
    _ = writer.writeheader()
    for row in _columns(timeline, rows):
        times = {name: f"{row[name]:.6f}" for name in ("start", "end")}
        _ = writer.writerow({**row, **times})
    return text.getvalue().encode("utf-8", "replace")


def _parquet(timeline: Timeline, rows: Rows) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TimelineError("Parquet needs pyarrow: pip install 'serkit[parquet]'") from error
    names = _header(timeline, rows)
    words = ("file", "speaker", "label", "notes")
    kinds = {name: pyarrow.string() if name in words else pyarrow.float64() for name in names}
    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist(
        _columns(timeline, rows), schema=pyarrow.schema(kinds.items())
    )
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def _json(timeline: Timeline, _: Rows) -> bytes:
    def plain(rating: Rating | None) -> dict[str, Any] | None:
        if rating is None:
            return None
        return {
            kind: {name: _rounded(value) for name, value in values.items()}
            for kind, values in (("probability", rating.emotion), ("affect", rating.affect))
            if values
        }

    def summary(speaker: str | None) -> dict[str, Any]:
        found = timeline.summary(speaker)
        return {
            "speech": _rounded(found.speech),
            "silence": _rounded(found.silence),
            "seconds": {label: _rounded(value) for label, value in found.by_label.items()},
            "rating": plain(found.rating),
        }

    settings = ("file", "duration", "rater", "emotions", "affect", "window", "hop", "smooth", "vad")
    whole: dict[str, Any] = {
        **{name: getattr(timeline, name) for name in settings},
        "notes": timeline.notes,
        "summary": summary(None),
        "speakers": {speaker: summary(speaker) for speaker in timeline.speakers},
        "segments": [
            {
                "start": _rounded(one.start),
                "end": _rounded(one.end),
                "speaker": one.speaker,
                "label": one.label,
                "rating": plain(one.rating),
            }
            for one in timeline.segments
        ],
        "windows": [
            {
                "start": _rounded(one.start),
                "end": _rounded(one.end),
                "speaker": one.speaker,
                "label": one.label,
                "speech": _rounded(one.speech),
                "rating": plain(one.rating),
                "smoothed": plain(one.smoothed),
                "notes": one.notes,
            }
            for one in timeline.windows
        ],
    }
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")


# ------------------------------------------------------------------------- annotation programs


def _tiers(timeline: Timeline) -> Iterator[tuple[str, list[tuple[Seconds, Seconds, str]]]]:
    """Name and intervals of each tier: labels, how probable they are, and each dimension."""
    for speaker in timeline.speakers or (None,):
        prefix = "" if speaker is None else f"{speaker}: "
        own = [one for one in timeline.segments if one.speaker == speaker]
        yield (
            f"{prefix}{'emotion' if timeline.emotions else 'speech'}",
            [(one.start, one.end, one.label) for one in own],
        )
        for name in ("probability",) if timeline.emotions else timeline.affect:
            values = [(one.start, one.end, _value(one, name)) for one in own]
            yield f"{prefix}{name}", values


def _value(segment: Segment, name: str) -> str:
    """A dimension's value, or the probability of the label; nothing where it was not rated."""
    if segment.rating is None:
        return ""
    if name == "probability":
        return f"{share_said(segment.label, segment.rating):.3f}"
    return f"{segment.rating.affect[name]:.3f}"


def _textgrid(timeline: Timeline, _: Rows) -> bytes:
    """Praat's long text format; intervals tile each tier, as Praat demands."""
    tiers = [(name, _tiled(spans, timeline.duration)) for name, spans in _tiers(timeline)]
    end = repr(timeline.duration)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0"]
    lines += [f"xmax = {end}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers, start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f"        name = {_praat(name)}", "        xmin = 0", f"        xmax = {end}"]
        lines.append(f"        intervals: size = {len(spans)}")
        for place, (first, last, text) in enumerate(spans, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {first!r}"]
            lines += [f"            xmax = {last!r}", f"            text = {_praat(text)}"]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _praat(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _tiled(
    spans: Iterable[tuple[Seconds, Seconds, str]], duration: Seconds
) -> list[tuple[Seconds, Seconds, str]]:
    """With empty intervals where there was nothing."""
    tiled: list[tuple[Seconds, Seconds, str]] = []
    reached = 0.0
    for start, end, text in spans:
        if start > reached:
            tiled.append((reached, start, ""))
        tiled.append((start, end, text))
        reached = end
    if reached < duration or not tiled:
        tiled.append((reached, duration, ""))
    return tiled


def _eaf(timeline: Timeline, _: Rows) -> bytes:
    """ELAN 3.0; silence and what rounds to nothing are left out."""
    slots: list[str] = []
    tiers: list[str] = []
    number = 0
    for name, spans in _tiers(timeline):
        tiers.append(f'    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID={quoteattr(name)}>')
        for start, end, text in spans:
            first, last = round(1000 * start), round(1000 * end)
            if first == last or text in ("", SILENCE):
                continue
            number += 1
            ids = [f"ts{2 * number - 1}", f"ts{2 * number}"]
            slots += [
                f'        <TIME_SLOT TIME_SLOT_ID="{slot}" TIME_VALUE="{value}"/>'
                for slot, value in zip(ids, (first, last), strict=True)
            ]
            tiers += [
                "        <ANNOTATION>",
                f'            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
                f'TIME_SLOT_REF1="{ids[0]}" TIME_SLOT_REF2="{ids[1]}">',
                f"                <ANNOTATION_VALUE>{escape(text)}</ANNOTATION_VALUE>",
                "            </ALIGNABLE_ANNOTATION>",
                "        </ANNOTATION>",
            ]
        tiers.append("    </TIER>")
    there = Path(timeline.file)
    media = ""
    if there.is_file():
        where = quoteattr(there.resolve().as_uri())
        near = quoteattr(f"./{there.name}")
        media = (
            f'\n        <MEDIA_DESCRIPTOR MEDIA_URL={where} MIME_TYPE="{_mime(there)}" '
            f"RELATIVE_MEDIA_URL={near}/>\n    "
        )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" '
        'VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
        f'    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{media}</HEADER>',
        "    <TIME_ORDER>",
        *slots,
        "    </TIME_ORDER>",
        *tiers,
        '    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" '
        'TIME_ALIGNABLE="true"/>',
        "</ANNOTATION_DOCUMENT>",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _mime(path: Path) -> str:
    """ELAN asks for a kind, and knows little more than these."""
    return "audio/x-wav" if path.suffix.lower() == ".wav" else "video/mp4"


def _spoken(timeline: Timeline) -> Iterator[Segment]:
    return (one for one in timeline.segments if one.label != SILENCE)


def _said(timeline: Timeline, segment: Segment) -> str:
    """``anger 73 %``; for affect ``arousal 0.61, valence 0.40``."""
    if segment.rating is None:
        return segment.label
    if timeline.emotions:
        share = share_said(segment.label, segment.rating)
        return f"{segment.label} {share:.0%}".replace("%", " %")
    return ", ".join(f"{name} {segment.rating.affect[name]:.2f}" for name in timeline.affect)


def _named(segment: Segment, said: str) -> str:
    return said if segment.speaker is None else f"{segment.speaker}: {said}"


def _audacity(timeline: Timeline, _: Rows) -> bytes:
    lines = [
        f"{one.start:.6f}\t{one.end:.6f}\t{_line(_named(one, _said(timeline, one)))}\n"
        for one in _spoken(timeline)
    ]
    return "".join(lines).encode("utf-8", "replace")


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _rttm(timeline: Timeline, _: Rows) -> bytes:
    name = _word(Path(timeline.file).stem)
    lines = [
        f"SPEAKER {name} 1 {one.start:.3f} {one.end - one.start:.3f} <NA> <NA> "
        f"{_word(one.label if one.speaker is None else f'{one.speaker}:{one.label}')} <NA> <NA>\n"
        for one in _spoken(timeline)
    ]
    return "".join(lines).encode("utf-8", "replace")


def _word(text: str) -> str:
    """RTTM separates its fields by blanks."""
    return re.sub(r"\s+", "_", text) or "_"


def _srt(timeline: Timeline, _: Rows) -> bytes:
    cues = [
        f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n"
        f"{_line(_named(one, _said(timeline, one)))}\n\n"
        for number, one in enumerate(_spoken(timeline), start=1)
    ]
    return "".join(cues).encode("utf-8", "replace")


def _vtt(timeline: Timeline, _: Rows) -> bytes:
    cues: list[str] = []
    for one in _spoken(timeline):
        voice = "" if one.speaker is None else f"<v {escape(_line(one.speaker))}>"
        cues.append(
            f"{_clock(one.start, '.')} --> {_clock(one.end, '.')}\n"
            f"{voice}{escape(_line(_said(timeline, one)))}\n\n"
        )
    return ("WEBVTT\n\n" + "".join(cues)).encode("utf-8", "replace")


def _clock(seconds: Seconds, point: str) -> str:
    """``01:02:03,456``."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{point}{thousandths:03}"


FORMATS: Mapping[str, Annotation] = {
    "csv": Annotation(".csv", _csv),
    "json": Annotation(".json", _json),
    "parquet": Annotation(".parquet", _parquet),
    "textgrid": Annotation(".TextGrid", _textgrid),
    "eaf": Annotation(".eaf", _eaf),
    "audacity": Annotation(".txt", _audacity),
    "rttm": Annotation(".rttm", _rttm),
    "srt": Annotation(".srt", _srt),
    "vtt": Annotation(".vtt", _vtt),
}
"""Name to the format: its ending, and how it is made."""
