"""Numbers, months and days of the week as words."""

from caching.stems import words_in

SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "once": 1, "single": 1, "twice": 2, "double": 2, "couple": 2, "thrice": 3, "triple": 3, "quadruple": 4,
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50, "sixtieth": 60, "seventieth": 70,
    "eightieth": 80, "ninetieth": 90,
    # German, French, Spanish, Italian, Portuguese, Dutch.
    "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10,
    "zwölf": 12, "zwanzig": 20, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "neuf": 9, "dix": 10,
    "onze": 11, "douze": 12, "vingt": 20, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8,
    "nueve": 9, "diez": 10, "doce": 12, "veinte": 20, "quattro": 4, "cinque": 5, "sette": 7, "nove": 9,
    "dieci": 10, "dodici": 12, "dois": 2, "três": 3, "quatro": 4, "sete": 7, "oito": 8, "dez": 10, "doze": 12,
    "twee": 2, "drie": 3, "vijf": 5, "zes": 6, "zeven": 7, "negen": 9, "tien": 10, "twaalf": 12,
}  # fmt: skip
"""Below a hundred; each is a number of its own or the end of one."""

LOOSE = frozenset({"zero", "one", "once", "single", "first", "second", "couple", "double", "quarter", "dix"})
"""These count things only sometimes: "which one", "at first", "a second opinion"."""

SCALES = {
    "hundred": 10**2, "hundredth": 10**2, "thousand": 10**3, "k": 10**3, "dozen": 12, "lakh": 10**5,
    "lakhs": 10**5, "million": 10**6, "mn": 10**6, "mln": 10**6, "crore": 10**7, "crores": 10**7,
    "billion": 10**9, "bn": 10**9, "trillion": 10**12,
}  # fmt: skip
"""What multiplies the number before it."""

SCALES_ALONE = frozenset({"hundred", "thousand", "dozen", "lakh", "million", "crore", "billion", "trillion"})
"""Scales that make a number by themselves: "a hundred"."""

PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
    "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
"""What divides the number before it."""

ROMAN = {
    "II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12, "XIII": 13,
    "XIV": 14, "XV": 15, "XVI": 16, "XVII": 17, "XVIII": 18, "XIX": 19, "XX": 20, "XXI": 21,
}  # fmt: skip
LOOSE_ROMAN = frozenset({"IV", "VI", "XI", "XX"})
"""Numerals that are other words too: an IV line, the vi editor."""
ROMAN_LETTERS = {"I": 1, "V": 5, "X": 10}
"""More often a pronoun, a letter or a name: numbers only behind what is numbered so."""
NUMBERED_IN_ROMAN = words_in(
    "war type phase part chapter volume book grade class level stage article act title section schedule "
    "factor tier division league henry louis george charles edward richard elizabeth philip william leo"
)

MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12,
    # German, French, Spanish, Italian, Portuguese, Dutch.
    "januar": 1, "januari": 1, "janvier": 1, "enero": 1, "gennaio": 1, "janeiro": 1, "februar": 2,
    "februari": 2, "février": 2, "febrero": 2, "febbraio": 2, "fevereiro": 2, "märz": 3, "maart": 3,
    "marzo": 3, "março": 3, "avril": 4, "abril": 4, "aprile": 4, "maggio": 5, "maio": 5, "juni": 6, "juin": 6,
    "junio": 6, "giugno": 6, "junho": 6, "juli": 7, "juillet": 7, "luglio": 7, "julho": 7, "agosto": 8,
    "août": 8, "augustus": 8, "septembre": 9, "septiembre": 9, "settembre": 9, "setembro": 9, "oktober": 10,
    "octobre": 10, "octubre": 10, "ottobre": 10, "outubro": 10, "novembre": 11, "noviembre": 11,
    "novembro": 11, "dezember": 12, "décembre": 12, "diciembre": 12, "dicembre": 12, "dezembro": 12,
}  # fmt: skip
MONTHS_BESIDE_DIGITS = {name[:3]: MONTHS[name] for name in list(MONTHS)[:12]} | {"march": 3, "sept": 9}
"""Abbreviations, and names that are other words too."""

WEEKDAYS = {
    "monday": 1, "mon": 1, "tuesday": 2, "tues": 2, "wednesday": 3, "thursday": 4, "thurs": 4, "friday": 5,
    "fri": 5, "saturday": 6, "sunday": 7,
}  # fmt: skip

HOURS = {"noon": 12, "midday": 12, "midnight": 0}

CHINESE = "〇零一二三四五六七八九十百千万亿億两"
"""Numerals that are compared as they are written, in runs."""
