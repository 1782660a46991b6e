"""Words for yes, no, "does not apply" and "cannot tell" in the languages that models answer in.

A value counts as one of these only if it is the whole value. A definition that has a `language` is read in it and in
English; otherwise any row of the tables counts. No word stands for both sides in any of them.
"""

from __future__ import annotations

# ruff: noqa: E501, RUF001 - words of other languages look like others, and a row is a row
from collections.abc import Mapping

YES: Mapping[str, frozenset[str]] = {
    language: frozenset(words.casefold().split("|"))
    for language, words in {
        "en": "true|yes|y|correct",
        "ar": "نعم|صحيح",
        "cs": "ano|pravda",
        "da": "ja|sand|sandt",
        "de": "ja|wahr|richtig",
        "el": "ναι|αληθές",
        "es": "sí|si|verdadero|cierto",
        "fi": "kyllä|tosi",
        "fr": "oui|vrai",
        "he": "כן|נכון",
        "hi": "हाँ|हां|सही|सत्य",
        "hu": "igen|igaz",
        "id": "ya|benar",
        "it": "sì|si|vero",
        "ja": "はい|真",
        "ko": "예|네|참",
        "nl": "ja|waar",
        "no": "ja|sant",
        "pl": "tak|prawda",
        "pt": "sim|verdadeiro",
        "ro": "da|adevărat",
        "ru": "да|истина|верно",
        "sv": "ja|sant",
        "th": "ใช่|จริง",
        "tr": "evet|doğru",
        "uk": "так|істина",
        "vi": "có|đúng",
        "zh": "是|是的|对|真",
    }.items()
}
NO: Mapping[str, frozenset[str]] = {
    language: frozenset(words.casefold().split("|"))
    for language, words in {
        "en": "false|no|n|incorrect",
        "ar": "لا|خطأ",
        "cs": "ne|nepravda",
        "da": "nej|falsk",
        "de": "nein|falsch",
        "el": "όχι|ψευδές",
        "es": "no|falso",
        "fi": "ei|epätosi",
        "fr": "non|faux",
        "he": "לא",
        "hi": "नहीं|गलत|असत्य",
        "hu": "nem|hamis",
        "id": "tidak|salah",
        "it": "no|falso",
        "ja": "いいえ|偽",
        "ko": "아니요|아니오|거짓",
        "nl": "nee|onwaar",
        "no": "nei|usant",
        "pl": "nie|fałsz",
        "pt": "não|falso",
        "ro": "nu|fals",
        "ru": "нет|ложь|неверно",
        "sv": "nej|falskt",
        "th": "ไม่ใช่|ไม่|เท็จ",
        "tr": "hayır|yanlış",
        "uk": "ні|хибність",
        "vi": "không|sai",
        "zh": "否|不是|不|假",
    }.items()
}
_ANSWERED = "answered|answer|applicable|yes|true|beantwortet|anwendbar|répondu|applicable|respondido|已回答|適用|适用"
_NOT_APPLICABLE = (
    "not applicable|n/a|na|n.a|non applicable|inapplicable|does not apply|not relevant|irrelevant|"
    "nicht anwendbar|nicht zutreffend|entfällt|sans objet|no aplica|no aplicable|não aplicável|não se aplica|"
    "non applicabile|niet van toepassing|nvt|n.v.t|nie dotyczy|ej tillämpligt|ikke relevant|ei sovellu|uygulanamaz|"
    "geçerli değil|nelze použít|nem alkalmazható|nu se aplică|неприменимо|не применимо|не застосовно|"
    "不适用|不適用|該当なし|해당 없음|해당없음|لا ينطبق|लागू नहीं|không áp dụng|tidak berlaku|ไม่เกี่ยวข้อง"
)
_CANNOT_TELL = (
    "cannot tell|can't tell|can not tell|unclear|unknown|undetermined|indeterminate|cannot determine|"
    "cannot be determined|not clear|unsure|uncertain|not sure|insufficient information|not enough information|"
    "unklar|unbekannt|inconnu|pas clair|indéterminé|desconocido|no está claro|indeterminado|desconhecido|não está claro|"
    "sconosciuto|non chiaro|onbekend|onduidelijk|nieznane|niejasne|okänt|oklart|ukendt|uklart|ukjent|tuntematon|epäselvä|"
    "belirsiz|bilinmiyor|neznámé|nejasné|ismeretlen|nem egyértelmű|necunoscut|neclar|неизвестно|неясно|невідомо|"
    "不清楚|未知|无法判断|無法判斷|不明|わからない|알 수 없음|불명확|غير معروف|غير واضح|अज्ञात|अस्पष्ट|không rõ|"
    "tidak diketahui|tidak jelas|ไม่ทราบ|ไม่ชัดเจน"
)
APPLICABILITY: Mapping[str, str] = {
    word: meaning
    for words, meaning in (
        (_ANSWERED, "answered"),
        (_NOT_APPLICABLE, "not_applicable"),
        (_CANNOT_TELL, "cannot_tell"),
    )
    for word in words.split("|")
}
"""What each word for applicability means."""


def words_of(table: Mapping[str, frozenset[str]], language: str | None) -> frozenset[str]:
    """The words of a language and of English; of every language where none is given or it is not in the table."""
    base = (language or "").replace("_", "-").partition("-")[0].casefold()
    if base in table:
        return table[base] | table["en"]
    return frozenset().union(*table.values())
