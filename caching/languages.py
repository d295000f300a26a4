"""Tells questions that aren't English, for what knows English only. Pure.

By script and by the small words that a language cannot do without: names, code and misspelt English have neither,
and count as English.
"""

import re
import unicodedata

from caching.stems import words_in

#: Small words of other languages that are neither English words nor parts of places' and people's names.
_FOREIGN = words_in(
    "al att au auf aus aux avec avoir ce cette chez chi com combien comment como cosa cual cuales cuando "
    "cuanto cuantos dans das degli dei dein del della dello dem der det donde dove een ein eine einem "
    "einen einer elle em en era est esta este et etait etre eu faut fur geen gibt gli haben hay het hoe "
    "hur hvad hvor hvordan hvorfor ich ihr ik ikke il inte io ist jag je jeg jij kan kann kein keine "
    "konnen lo med mein meine meinen mes met meu mia mijn minha mio mis moet mon muss na naar nach nao "
    "nar ne nel nella nicht niet och oder og ohne onde os ou pas perche peut pode por porque posso "
    "pourquoi puede puedo puis puo qual quand quando quanto que quel quelle quelles quels quem qui quien "
    "quoi sa sao se sem senza ses sich sind soll som sono sont su sus til tu tus uber uden uma un una und "
    "une unos uns utan vad varfor viel viele von voor vor vous waar waarom wann wanneer warum wat welche "
    "welcher welches wer werden wie wir wird wo yo zijn zonder zu zum zur"
)
#: Parts of names in English texts: they count only beside others.
_WEAK = words_in("le la les los las el de du des di van den")
_ENGLISH = words_in(
    "a about an and are as at be by can could did do does for from get had has have he her his how i if "
    "in is it me my not of on or our she should than that the their then there these they this those to "
    "was we were what when where which who whom whose why will with without would you your"
)
_WORDS = re.compile(r"[^\W\d_]+")
#: Enough to tell a language by; questions are short.
_MOST_CHARACTERS = 2_000
_LEAST_FOREIGN = 2


def reads_as_english(text: str) -> bool:
    """Whether nothing speaks for another language: Latin letters, and no majority of foreign small words."""
    letters = _WORDS.findall(text[:_MOST_CHARACTERS])
    if not letters:
        return True
    joined = "".join(letters)
    if not joined.isascii() and sum(map(_is_foreign_letter, joined)) * 2 > len(joined):
        return False
    words = [_plain(word) for word in letters]
    foreign = sum(word in _FOREIGN for word in words)
    foreign += sum(word in _WEAK for word in words) if foreign else 0
    return foreign < _LEAST_FOREIGN or foreign <= sum(word in _ENGLISH for word in words)


def _is_foreign_letter(letter: str) -> bool:
    return not letter.isascii() and not unicodedata.name(letter, "").startswith("LATIN")


def _plain(word: str) -> str:
    """Return the word in lower case without accents."""
    if word.isascii():
        return word.lower()
    return "".join(each for each in unicodedata.normalize("NFKD", word.lower()) if each.isascii())
