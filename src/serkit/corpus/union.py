"""Several corpora read as one: who is who stays global, and what may be done is what all allow."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from serkit.corpus.corpus import Corpus, Passport
from serkit.corpus.scheme import in_order
from serkit.corpus.utterance import Utterance

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "emodb+ravdess": ("emodb-ravdess-5fold", "emodb-to-ravdess", "ravdess-to-emodb"),
    "emodb+ravdess+cremad": ("emodb-ravdess-to-cremad",),
    "emodb+ravdess+emotale": ("emodb-ravdess-to-emotale",),
}
"""The protocols fixed for a union; the first is the default."""


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Corpora as one, named ``A+B``: all utterances of all of them, with every emotion they have.

    Ids and speakers are global already. Sentences and recordings become so (``emodb/a01``), since
    two corpora may use one key for different words. No emotion is mapped or left out; a protocol
    chooses the scheme.

    Args:
        corpora: Two or more, of different names.

    Raises:
        ValueError: Fewer, or two of one name.

    Example:
        >>> from serkit.corpus import load
        >>> excerpt = load("excerpt")
        >>> both = join([excerpt, Corpus(name="own")])
        >>> both.name, both.utterances[0].speaker, both.utterances[0].sentence
        ('excerpt+own', 'excerpt/03', 'excerpt/a01')
    """
    names = [corpus.name for corpus in corpora]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"a union is of two corpora or more, each once, not {', '.join(names) or 'none'}"
        )
    utterances = [_global(u, corpus.name) for corpus in corpora for u in corpus.utterances]
    passports = [corpus.passport for corpus in corpora if corpus.passport is not None]
    return Corpus(
        name="+".join(names),
        passport=joint_passport(passports) if len(passports) == len(names) else None,
        utterances=tuple(sorted(utterances, key=lambda utterance: utterance.id)),
        problems=tuple(problem for corpus in corpora for problem in corpus.problems),
    )


def joint_passport(passports: Sequence[Passport]) -> Passport:
    """The passport of a union: counts added, and each corpus named in every text.

    The licences are listed, not weighed: who passes something on that was made of all of them keeps
    to each.

    Example:
        >>> from serkit.corpus import CORPORA
        >>> union = joint_passport([CORPORA[name].PASSPORT for name in ("emodb", "ravdess")])
        >>> union.licence, union.num_speakers
        ('emodb: CC BY 4.0; ravdess: CC BY-NC-SA 4.0', 34)
    """
    name = "+".join(passport.name for passport in passports)
    counts: Counter[str] = Counter()
    for passport in passports:
        counts.update(passport.emotions)
    speakers = [passport.num_speakers for passport in passports]
    rates = {passport.sample_rate for passport in passports}

    def listed(texts: Iterable[str]) -> str:
        return "; ".join(f"{p.name}: {text}" for p, text in zip(passports, texts, strict=True))

    return Passport(
        name=name,
        title=" and ".join(passport.name for passport in passports),
        citation=listed(p.citation for p in passports),
        licence=listed(p.licence for p in passports),
        url=listed(p.url for p in passports),
        obtain=listed(p.obtain for p in passports),
        language=", ".join(dict.fromkeys(p.language for p in passports)),
        layout=f"ROOT/{'/, ROOT/'.join(p.name for p in passports)}/, each in its own layout",
        num_utterances=sum(p.num_utterances for p in passports),
        num_speakers=None if None in speakers else sum(n for n in speakers if n is not None),
        emotions={emotion: counts[emotion] for emotion in in_order(counts)},
        sample_rate=rates.pop() if len(rates) == 1 else None,
        protocols=PROTOCOLS.get(name, ()),
        parts=tuple(passports),
    )


def heard_passport(passport: Passport | None, utterances: Iterable[Utterance]) -> Passport | None:
    """Of a union, the passport of those corpora that the utterances are of; any other as it is.

    A model that was trained on some corpora of a union owes nothing to those that only tested it.

    Example:
        >>> from pathlib import Path
        >>> from serkit.corpus import CORPORA
        >>> union = joint_passport([CORPORA[name].PASSPORT for name in ("emodb", "ravdess")])
        >>> heard_passport(union, [Utterance(id="emodb/03a01Fa", path=Path("a.wav"))]).licence
        'CC BY 4.0'
    """
    if passport is None or not passport.parts:
        return passport
    names = {utterance.id.partition("/")[0] for utterance in utterances}
    heard = [part for part in passport.parts if part.name in names]
    if len(heard) == len(passport.parts):
        return passport
    return heard[0] if len(heard) == 1 else joint_passport(heard)


def _global(utterance: Utterance, corpus: str) -> Utterance:
    """With keys that no other corpus has."""
    keys = {
        name: f"{corpus}/{key.removeprefix(f'{corpus}/')}"
        for name, key in (("sentence", utterance.sentence), ("recording", utterance.recording))
        if key is not None
    }
    return replace(utterance, **keys)
