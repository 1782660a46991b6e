"""One spelling for text that is compared: Unicode's NFC, in which é is one character and not two.

Transcripts keep the bytes that came. Labels, categories and keywords are composed where a definition is read, what they
are compared with is composed where it is compared: here in Python, by `nfc_normalize` in SQL.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator


def composed(text: str) -> str:
    """The text in NFC."""
    return unicodedata.normalize("NFC", text)


Composed = AfterValidator(lambda found: composed(found) if isinstance(found, str) else found)
"""Annotation of a field whose text is compared with text of conversations."""

ComposedText = Annotated[str, Composed]
