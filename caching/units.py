"""Units and currencies: how they are written, what they measure, what they are worth. Pure.

Symbols and abbreviations of every language; names in English.
"""

from decimal import Decimal
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of measurement."""

    name: str
    measures: str
    """What can be turned into each other: seconds and hours, metres and kilometres."""
    factor: Decimal
    """How many of the smallest unit of its kind one is."""


#: Each line: what it measures, how many of the line's base unit one is, the name, its other spellings.
_LINES = """
    time 1 s sec secs second seconds
    time 60 min mins minute minutes
    time 3600 h hr hrs hour hours
    time 86400 day days
    time 604800 wk wks week weeks
    months 1 month months
    months 12 yr yrs year years
    months 120 decade decades
    months 1200 century centuries
    length 1 mm millimeter millimeters millimetre millimetres
    length 10 cm cms centimeter centimeters centimetre centimetres
    length 1000 m meter meters metre metres
    length 1000000 km kms kilometer kilometers kilometre kilometres
    inches 1 inch inches
    inches 12 ft foot feet
    inches 36 yd yds yard yards
    inches 63360 mi mile miles
    weight 1 mcg μg microgram micrograms
    weight 1000 mg mgs milligram milligrams milligrammes
    weight 1000000 g gm gms gram grams grammes
    weight 1000000000 kg kgs kilo kilos kilogram kilograms kilogrammes
    weight 1000000000000 tonne tonnes
    ounces 1 oz ounce ounces
    ounces 16 lb lbs
    volume 1 ml mls milliliter milliliters millilitre millilitres
    volume 10 cl centiliter centilitre
    volume 1000 l liter liters litre litres
    gallons 1 gallon gallons
    pints 1 pint pints
    cups 1 cup cups
    tablespoons 1 tbsp tablespoon tablespoons
    teaspoons 1 tsp teaspoon teaspoons
    acres 1 acre acres
    hectares 1 ha hectare hectares
    bytes 1 kb kilobyte kilobytes
    bytes 1000 mb megabyte megabytes
    bytes 1000000 gb gigs gigabyte gigabytes
    bytes 1000000000 tb terabyte terabytes
    bits 1 kbps kbit
    bits 1000 mbps mbit
    bits 1000000 gbps gbit
    celsius 1 celsius centigrade °c
    fahrenheit 1 fahrenheit °f
    kelvin 1 kelvin
    calories 1 kcal calorie calories
    joules 1 kj kilojoule kilojoules
    power 1 w watt watts
    power 1000 kw kilowatt kilowatts
    energy 1 kwh
    volts 1 v volt volts
    amperes 1 ma milliamp milliamps
    amperes 1000 amp amps ampere amperes
    charge 1 mah
    mph 1 mph
    kph 1 kph kmh
    frequency 1 hz hertz
    frequency 1000000 mhz
    frequency 1000000000 ghz
    pixels 1 px pixel pixels
    cc 1 cc
    rpm 1 rpm
    percent 1 % percent pct
    usd 1 $ usd dollar dollars bucks
    eur 1 € eur euro euros
    gbp 1 £ gbp pound pounds quid sterling
    inr 1 ₹ rs inr rupee rupees
    jpy 1 ¥ jpy yen
    cny 1 cny rmb yuan renminbi
    chf 1 chf franc francs
    krw 1 ₩ krw
    rub 1 ₽ rub ruble rubles rouble roubles
    try 1 ₺ lira liras
    brl 1 brl reais
    mxn 1 mxn peso pesos
    cad 1 cad
    aud 1 aud
    sek 1 sek krona kronor
    zar 1 zar
    aed 1 aed dirham dirhams
    sar 1 sar riyal riyals
    btc 1 ₿ btc bitcoin bitcoins
    eth 1 ether
    cents 1 ¢ cent cents
    pence 1 pence
    hourly 1 hourly
    daily 1 daily
    weekly 1 weekly
    monthly 1 monthly
    yearly 1 yearly annual annually
"""


def _read_lines() -> dict[str, Unit]:
    spellings: dict[str, Unit] = {}
    for line in _LINES.strip().splitlines():
        measures, factor, name, *others = line.split()
        unit = Unit(name, measures, Decimal(factor))
        spellings.update(dict.fromkeys((name, *others), unit))
    return spellings


UNITS = _read_lines()
"""Every spelling in lower case, and its unit. Many are units only beside a number: `s`, `second`, `pound`."""

SYMBOLS = "%$€£₹¥₩₽₺₿¢"
"""What is no letter. All but `%` and `¢` are also written before the number."""

SPOKEN_ALONE = frozenset(
    word
    for word, unit in UNITS.items()
    if unit.measures
    in {
        "celsius",
        "fahrenheit",
        "kelvin",
        "usd",
        "eur",
        "gbp",
        "inr",
        "jpy",
        "cny",
        "chf",
        "rub",
        "try",
        "brl",
        "mxn",
        "cad",
        "aud",
        "sek",
        "zar",
        "aed",
        "sar",
        "btc",
        "hourly",
        "daily",
        "weekly",
        "monthly",
        "yearly",
    }
    and len(word) > 2
    and word not in {"try", "bucks", "pound", "pounds", "quid", "sterling", "cad", "franc", "lira"}
) | frozenset(
    {
        "km",
        "kms",
        "kilometers",
        "kilometres",
        "mile",
        "miles",
        "kg",
        "kgs",
        "kilograms",
        "lbs",
        "£",
        "€",
        "₹",
        "¥",
        "₿",
    }
)
"""What is a unit without a number too: `in euros`, `in km`."""  # fmt: skip
