"""Presidio on a spaCy pipeline, without a download and without a look-up of names.

On a blank pipeline only patterns (and their checksums) find something: e-mails, cards, IBANs, telephones, not names
of people. A NER model is one of the installed spaCy packages; Presidio would fetch a missing one, so it is not asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import EmailRecognizer

from .base import CannotJudge

LANGUAGE: Final = "en"
_NER_RECOGNIZER: Final = "SpacyRecognizer"

# It tells each default that it takes; what matters of them stands in the result.
logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)


class _Emails(EmailRecognizer):
    """Presidio's, with the list of suffixes that tldextract ships with: its default fetches one, and keeps it in the
    user's home.
    """

    _extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())

    def validate_result(self, pattern_text: str) -> bool:
        """Whether an address ends in a domain that can be registered."""
        return bool(self._extract(pattern_text).fqdn)


class _Pipeline(SpacyNlpEngine):
    """A pipeline that is loaded already."""

    def __init__(self, pipeline: spacy.language.Language) -> None:
        super().__init__(ner_model_configuration=NerModelConfiguration(labels_to_ignore=[]))
        self.nlp = {LANGUAGE: pipeline}  # type: ignore[assignment]  # it says what is there before loading


class PresidioAnalyzer:
    """See `privacy.Analyzer`."""

    def __init__(self, *, ner: bool) -> None:
        """`ner`: an installed NER model must run, too.

        Raises:
            CannotJudge: none is installed.
        """
        pipeline: Any
        self.ner: str | None
        pipeline, self.ner = _with_ner() if ner else (spacy.blank(LANGUAGE), None)
        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=[LANGUAGE])
        registry.remove_recognizer("EmailRecognizer")
        registry.add_recognizer(_Emails(name="EmailRecognizer"))
        if not ner:  # on a blank pipeline it would be there and find nothing
            registry.remove_recognizer(_NER_RECOGNIZER)
        recognizers: Iterable[Any] = registry.recognizers
        self.recognizers = tuple(sorted(str(each.name) for each in recognizers))
        self.versions: Mapping[str, str] = {name: version(name) for name in ("presidio-analyzer", "spacy")}
        self._engine = AnalyzerEngine(
            registry=registry, nlp_engine=_Pipeline(pipeline), supported_languages=[LANGUAGE]
        )

    def analyze(self, text: str, context: list[str]) -> list[RecognizerResult]:
        """See `privacy.Analyzer.analyze`."""
        found: list[RecognizerResult] = self._engine.analyze(text, language=LANGUAGE, context=context)
        return found


def _with_ner() -> tuple[Any, str]:
    """The first, by name, of the installed pipelines that have NER in our language, and what it is."""
    for name in sorted(spacy.util.get_installed_models()):
        pipeline = spacy.load(name)
        if pipeline.lang == LANGUAGE and "ner" in pipeline.pipe_names:
            return pipeline, f"{name} {pipeline.meta.get('version', '')}".strip()
    raise CannotJudge(
        f"the policy requires a NER model, and no spaCy pipeline with one for {LANGUAGE!r} is installed here"
    )
