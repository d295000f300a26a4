"""The few things that the demo upstream knows."""

import re

_CAPITALS = {
    "argentina": "Buenos Aires", "australia": "Canberra", "austria": "Vienna", "belgium": "Brussels",
    "brazil": "Brasília", "canada": "Ottawa", "chile": "Santiago", "china": "Beijing", "colombia": "Bogotá",
    "croatia": "Zagreb", "czechia": "Prague", "denmark": "Copenhagen", "egypt": "Cairo", "england": "London",
    "estonia": "Tallinn", "finland": "Helsinki", "france": "Paris", "germany": "Berlin", "greece": "Athens",
    "hungary": "Budapest", "iceland": "Reykjavík", "india": "New Delhi", "indonesia": "Jakarta",
    "ireland": "Dublin", "italy": "Rome", "japan": "Tokyo", "kenya": "Nairobi", "latvia": "Riga",
    "lithuania": "Vilnius", "luxembourg": "Luxembourg", "mexico": "Mexico City", "morocco": "Rabat",
    "netherlands": "Amsterdam", "new zealand": "Wellington", "nigeria": "Abuja", "norway": "Oslo",
    "peru": "Lima", "philippines": "Manila", "poland": "Warsaw", "portugal": "Lisbon", "romania": "Bucharest",
    "russia": "Moscow", "saudi arabia": "Riyadh", "scotland": "Edinburgh", "serbia": "Belgrade",
    "slovakia": "Bratislava", "slovenia": "Ljubljana", "south korea": "Seoul", "spain": "Madrid",
    "sweden": "Stockholm", "switzerland": "Bern", "thailand": "Bangkok", "turkey": "Ankara",
    "ukraine": "Kyiv", "united kingdom": "London", "united states": "Washington, D.C.", "usa": "Washington, D.C.",
    "vietnam": "Hanoi", "wales": "Cardiff",
}  # fmt: skip

_DEFINITIONS = {
    "algorithm": "an exact sequence of steps that solves a problem",
    "api": "an agreed way for one program to ask another for something",
    "blockchain": "a list of records in which each block holds a digest of the one before",
    "cache": "a fast store that keeps results so that they need not be produced again",
    "compiler": "a program that translates source code into machine code",
    "democracy": "a form of government in which the people decide, mostly through elections",
    "dns": "the system that translates names such as example.org into network addresses",
    "embedding": "a list of numbers that stands for a text, close to those of texts that mean the same",
    "entropy": "a measure of disorder, or of how much is unknown about a system",
    "evolution": "the change of inherited traits over generations, driven by natural selection",
    "gravity": "the attraction between masses, described by Newton and, more exactly, by Einstein",
    "http": "the protocol by which browsers and servers exchange requests and answers",
    "inflation": "a general rise of prices, by which money loses buying power",
    "kubernetes": "a system that runs and scales containers over many machines",
    "machine learning": "the branch of computing in which programs learn from examples instead of rules",
    "mitosis": "the division of a cell into two with the same chromosomes",
    "neural network": "a model of simple connected units whose weights are learned from examples",
    "osmosis": "the movement of water through a membrane towards the side with more dissolved in it",
    "photosynthesis": "the process by which plants turn light, water and carbon dioxide into sugar and oxygen",
    "postgresql": "an open-source relational database known for correctness and extensibility",
    "python": "a general-purpose programming language valued for its readability",
    "quantum computing": "computing with qubits, which can hold superpositions of zero and one",
    "recursion": "a way to solve a problem by solving smaller instances of the same problem",
    "redis": "an in-memory store of data structures, often used as a cache",
    "rest": "a style of web interfaces in which resources have addresses and few, uniform operations",
}

# Words that must all occur (| between alternatives), the fact, and a sentence more.
_FACTS = (
    (
        "largest|biggest planet",
        "Jupiter is the largest planet of the solar system.",
        "It has more than twice the mass of all the others together.",
    ),
    (
        "smallest planet",
        "Mercury is the smallest planet of the solar system.",
        "It is only a little larger than the Moon.",
    ),
    (
        "many planets",
        "There are eight planets in our solar system.",
        "Pluto has counted as a dwarf planet since 2006.",
    ),
    (
        "speed light",
        "Light travels at 299,792,458 metres per second in a vacuum.",
        "That is about 300,000 kilometres per second.",
    ),
    (
        "water boil|boils|boiling",
        "Water boils at 100 °C (212 °F) at sea level.",
        "Higher up, where the pressure is lower, it boils earlier.",
    ),
    (
        "water freeze|freezes|freezing",
        "Water freezes at 0 °C (32 °F).",
        "Dissolved salt lowers that point.",
    ),
    (
        "romeo juliet",
        "William Shakespeare wrote Romeo and Juliet.",
        "It was first printed in 1597.",
    ),
    (
        "wrote|author hamlet",
        "William Shakespeare wrote Hamlet.",
        "He wrote it around 1600.",
    ),
    (
        "painted|painter mona lisa",
        "Leonardo da Vinci painted the Mona Lisa.",
        "It hangs in the Louvre in Paris.",
    ),
    (
        "invented telephone",
        "Alexander Graham Bell is credited with inventing the telephone.",
        "He received his patent in 1876.",
    ),
    (
        "days leap year",
        "A leap year has 366 days.",
        "The additional day is 29 February.",
    ),
    (
        "tallest|highest mountain",
        "Mount Everest is the highest mountain above sea level, at 8,849 metres.",
        "It lies on the border of Nepal and China.",
    ),
    (
        "longest river",
        "The Nile is usually named as the longest river, at about 6,650 kilometres.",
        "By some measurements the Amazon is longer.",
    ),
    (
        "largest ocean",
        "The Pacific is the largest ocean.",
        "It covers about a third of the Earth.",
    ),
    (
        "chemical symbol gold",
        "The chemical symbol of gold is Au.",
        "It comes from the Latin aurum.",
    ),
    (
        "sky blue",
        "The sky is blue because air scatters short, blue wavelengths of sunlight most.",
        "This is called Rayleigh scattering.",
    ),
    (
        "berlin wall fall|fell",
        "The Berlin Wall fell on 9 November 1989.",
        "Germany was reunified the year after.",
    ),
    (
        "second|2 world war end|ended",
        "The Second World War ended in 1945.",
        "Germany surrendered in May, Japan in September.",
    ),
    (
        "moon first man|person|human|walk|walked",
        "Neil Armstrong was the first human on the Moon, on 20 July 1969.",
        "He was followed by Buzz Aldrin.",
    ),
    (
        "reset|forgot|forgotten|change password",
        "Open the sign-in page, choose 'Forgot password', and follow the link in the e-mail.",
        "The link is valid for a limited time only; ask for a new one if it has expired.",
    ),
    (
        "cancel subscription",
        "Open Settings, then Billing, and choose 'Cancel subscription'.",
        "It stays active until the end of the period you have paid for.",
    ),
)

_WHAT_IS = re.compile(
    r"\b(?:what(?:'s| is| are)|define|definition of|meaning of|explain|what does)\s+"
    r"(?:an? |the )?(?:term )?(.{2,40}?)(?:\s+mean\w*|\s+in (?:simple|plain).*|\s+to me.*)?[\s?.!]*$",
    re.IGNORECASE,
)


def look_up(prompt: str) -> tuple[str, str] | None:
    """Return the fact that a short prompt asks for and a sentence more, or None."""
    text = prompt.lower()
    words = set(re.findall(r"[\w'.]+", text))
    if "capital" in words:
        for country, capital in _CAPITALS.items():
            if re.search(rf"\b{country}\b", text):
                return _capital(country, capital)
    for needed, fact, more in _FACTS:
        if all(words & set(alternatives.split("|")) for alternatives in needed.split()):
            return fact, more
    if (asked := _WHAT_IS.search(text)) and (meaning := _DEFINITIONS.get(asked.group(1).strip(" '\""))):
        term = asked.group(1).strip(" '\"")
        return (
            f"{term.capitalize()} is {meaning}.",
            "Ask for an example if you would like to see it at work.",
        )
    return None


def _capital(country: str, capital: str) -> tuple[str, str]:
    name = {"usa": "the USA"}.get(country, country.title())
    article = "the " if country in ("netherlands", "philippines", "united kingdom", "united states") else ""
    return (
        f"The capital of {article}{name} is {capital}.",
        "Ask me for another country if you like.",
    )
