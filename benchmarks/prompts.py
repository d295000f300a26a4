"""Questions that the cells ask: about countries' capitals, in many wordings, and about distances. Pure."""

import random
from collections.abc import Iterator
from itertools import combinations, permutations

COUNTRIES = tuple(
    """Afghanistan, Albania, Algeria, Andorra, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan,
    Bahrain, Bangladesh, Barbados, Belarus, Belgium, Belize, Benin, Bhutan, Bolivia, Botswana, Brazil, Brunei,
    Bulgaria, Burkina Faso, Burundi, Cambodia, Cameroon, Canada, Cape Verde, Chad, Chile, China, Colombia,
    Comoros, Costa Rica, Croatia, Cuba, Cyprus, Denmark, Djibouti, Dominica, Ecuador, Egypt, El Salvador,
    Eritrea, Estonia, Eswatini, Ethiopia, Fiji, Finland, France, Gabon, Gambia, Georgia, Germany, Ghana, Greece,
    Grenada, Guatemala, Guinea, Guyana, Haiti, Honduras, Hungary, Iceland, India, Indonesia, Iran, Iraq, Ireland,
    Israel, Italy, Jamaica, Japan, Jordan, Kazakhstan, Kenya, Kiribati, Kosovo, Kuwait, Kyrgyzstan, Laos, Latvia,
    Lebanon, Lesotho, Liberia, Libya, Liechtenstein, Lithuania, Luxembourg, Madagascar, Malawi, Malaysia,
    Maldives, Mali, Malta, Mauritania, Mauritius, Mexico, Micronesia, Moldova, Monaco, Mongolia, Montenegro,
    Morocco, Mozambique, Myanmar, Namibia, Nauru, Nepal, Nicaragua, Niger, Nigeria, North Macedonia, Norway,
    Oman, Pakistan, Palau, Panama, Paraguay, Peru, Poland, Portugal, Qatar, Romania, Russia, Rwanda, Samoa,
    San Marino, Saudi Arabia, Senegal, Serbia, Seychelles, Sierra Leone, Singapore, Slovakia, Slovenia, Somalia,
    South Africa, South Sudan, Spain, Sri Lanka, Sudan, Suriname, Sweden, Switzerland, Syria, Taiwan, Tajikistan,
    Tanzania, Thailand, Togo, Tonga, Tunisia, Turkey, Turkmenistan, Tuvalu, Uganda, Ukraine, Uruguay, Uzbekistan,
    Vanuatu, Venezuela, Vietnam, Yemen, Zambia, Zimbabwe""".replace("\n    ", " ").split(", ")
)

_REPHRASED = (
    "Which city is the capital of {}?",
    "Tell me the capital of {}.",
    "Name the capital city of {}.",
    "What city is the capital of {}?",
    "{}'s capital is which city?",
    "Please tell me what the capital of {} is.",
    "What's the capital of {}?",
    "What is the capital city of {}?",
    "Which city serves as the capital of {}?",
    "I would like to know the capital of {}.",
    "What is {}'s capital?",
    "Can you tell me the capital of {}?",
    "Do you know the capital of {}?",
    "What is the name of the capital of {}?",
)
_OPENINGS = (
    "",
    "Hello! ",
    "A quick question: ",
    "Geography: ",
    "I wonder: ",
    "Just curious: ",
    "Help me out: ",
)
_WAYS = (
    *(
        "by road",
        "by rail",
        "by sea",
        "on foot",
        "by bicycle",
        "as the crow flies",
        "by night train",
        "by bus",
    ),
    *("on horseback", "by motorbike", "by river", "by plane"),
)
_KNOWN = "Which city, please, is the capital of {}?"


def stored() -> list[str]:
    """Return the questions whose answers are stored before anything is measured, one for each country."""
    return [capital(country) for country in COUNTRIES]


def capital(country: str) -> str:
    """Return the question for a country's capital that others rephrase."""
    return f"What is the capital of {country}?"


def wordings(country: str) -> Iterator[str]:
    """Yield the question for a country's capital in 98 other wordings."""
    yield from (opening + wording.format(country) for opening in _OPENINGS for wording in _REPHRASED)


def rephrased() -> Iterator[str]:
    """Yield the stored questions in other words, over 16,000 of them and none twice."""
    each = [wordings(country) for country in COUNTRIES]
    yield from (prompt for round_of_all in zip(*each, strict=True) for prompt in round_of_all)


def rephrased_alike() -> list[str]:
    """Return each stored question in one other wording, which `rephrased` leaves out."""
    return [_KNOWN.format(country) for country in COUNTRIES]


def distinct() -> Iterator[str]:
    """Yield questions whose answers differ, over 13,000 of them and none twice."""
    # Neighbouring pairs share a country, which a shuffle with a fixed seed spreads over the run.
    pairs = list(combinations(COUNTRIES, 2))
    random.Random(1).shuffle(pairs)
    yield from (f"How far is it from {one} to {other}?" for one, other in pairs)


def journeys(seed: int = 1) -> Iterator[str]:
    """Yield questions for ways between countries, over 300,000 of them and none twice."""
    pairs = list(permutations(COUNTRIES, 2))
    random.Random(seed).shuffle(pairs)
    yield from (f"How far is it from {one} to {other} {way}?" for way in _WAYS for one, other in pairs)
