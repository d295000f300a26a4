"""Signs in a question's wording of how long its answer stays true. Pure, linear, English.

A flag is evidence, not a verdict: the learned model of `routing.freshness` weighs them. Word flags are looked up
among the words of the text; patterns are searched in its lower-case form.
"""

import re
from collections.abc import Mapping

#: Of a long text only the ends ask for something; what lies between is material.
_END_CHARACTERS = 500
_WORD = re.compile(r"\w+(?:'\w+)?")
_LONG_CHARACTERS = 160

_PERIOD = (
    r"(?:week|weekend|month|year|season|morning|afternoon|evening|night|summer|winter|spring|autumn|fall|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|semester|quarter|decade|century)"
)
_OFFICE = (
    r"(?:president|vice president|prime minister|premier|ceo|cfo|cto|chief|champions?|leader|king|queen|prince|"
    r"princess|pope|governor|mayor|chancellor|head|chair(?:man|woman|person)?|owner|speaker|coach|captain|minister|secretary|"
    r"director|senators?|representative|ambassador|commissioner|justice|emperor|monarch|holder|manager|quarterback|"
    r"host|editor|dean|principal|sheriff|attorney general|general|winner|judge|mp|founder|goalkeeper|striker|"
    r"number one|girlfriend|boyfriend|husband|wife|spouse|partner)"
)
_POLITELY = r"^(?:please |can you |could you |will you |would you |hey |ok |okay )*"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


WORDS: Mapping[str, frozenset[str]] = {
    "now": _words("now current currently presently nowadays"),
    "today": _words("today todays today's tonight tonight's tomorrow tomorrow's tomorrows"),
    "upcoming": _words("upcoming next coming forthcoming soon"),
    "latest": _words("latest newest recent recently"),
    "last": _words("last"),
    "superlative": _words(
        "most highest largest biggest richest tallest oldest longest fastest best top greatest youngest "
        "smallest lowest poorest wealthiest strongest worst heaviest deepest cheapest fewest least busiest "
        "hottest coldest leading popular"
    ),
    "past": _words(
        "was were did had wrote invented founded died born built became ended began started happened "
        "established"
    ),
    "present": _words("is are does do has have plays lives owns makes runs"),
    "population": _words(
        "population people inhabitants populated populous census demographics gdp unemployment inflation"
    ),
    "wealth": _words("worth salary paid earn earns income richest billionaire revenue budget wealth"),
    "price": _words("price prices cost costs pricing cheapest expensive quote quotes fare fares"),
    "stock": _words(
        "stock stocks share shares market markets nasdaq dow trading ticker nyse bitcoin crypto dividend "
        "ethereum"
    ),
    "currency": _words(
        "exchange currency currencies dollar dollars euro euros pound pounds yen rupee rupees peso pesos "
        "usd eur gbp inr forex yuan franc francs"
    ),
    "weather": _words(
        "weather temperature forecast rain raining rainy snow snowing sunny cloudy wind windy humidity "
        "humid umbrella raincoat storm hurricane tornado sunrise sunset degrees outside celsius fahrenheit "
        "hot cold warm chilly freezing pollen"
    ),
    "traffic": _words(
        "traffic congestion congested commute route routes road roads highway freeway jam jams accident "
        "accidents delays delayed delay directions drive driving detour bus train subway flight flights"
    ),
    "news": _words(
        "news headline headlines happening events cnn bbc breaking update updates updated trending story "
        "stories politics"
    ),
    "score": _words(
        "score scores match game games playing winning ahead standings league tournament fixture fixtures"
    ),
    "i": _words("i i'm i've i'd i'll im ive am we"),
    "my": _words("my mine our"),
    "you": _words("you your you're yourself"),
    "own_things": _words(
        "calendar schedule agenda appointment appointments meeting meetings email emails mail mails inbox "
        "message messages reminder reminders alarm alarms notification notifications facebook twitter "
        "instagram feed timeline tweet tweets list lists todo shopping grocery contacts birthday birthdays"
    ),
    "account": _words(
        "balance bill bills transaction transactions spending spent order orders package reservation "
        "booking paycheck account accounts payment card bank"
    ),
    "definition": _words(
        "define defined definition definitions meaning means mean synonym synonyms antonym spell spelling "
        "spelled term description describe explain stand stands abbreviation etymology pronounce translate "
        "word explanation called"
    ),
    "cooking": _words(
        "recipe recipes cook cooking bake boil ingredients ingredient roast fry grill dish calories oven "
        "taste chicken rice cake soup pasta sauce eggs"
    ),
    "maths": _words(
        "plus minus times divided multiply multiplied sum square root percent calculate equation equals "
        "subtract add divide cubed squared product factorial solve half pi logarithm"
    ),
    "reasons": _words(
        "why explain reason reasons cause causes because purpose compare difference differences benefits "
        "advantages disadvantages"
    ),
    "conditional": _words("should would could might if suppose imagine"),
    "advice": _words(
        "best good better tips learn improve ways way advice recommend suggest prepare start become"
    ),
}
"""Flags that are set when the text has one of the words."""

PATTERNS: Mapping[str, re.Pattern[str]] = {
    "this_period": _any_of(rf"this (?:past |coming |upcoming )?{_PERIOD}"),
    "next_period": _any_of(rf"(?:next|coming|upcoming|following) {_PERIOD}", r"in the next"),
    "last_time": _any_of(
        "last time",
        r"the last \w+ (?:to|who|that|was|were|did|is)",
        r"when (?:did|was|were|have|has) .{0,60}\blast",
        "(?:last|latest|previous) (?:year|one|team|person|player|president|country|state) (?:the|to|that)?",
    ),
    "current": _any_of("current(?:ly)?"),
    "recent_one": _any_of(
        r"(?:the|\w+s|'s|s') (?:latest|most recent|newest|current|upcoming|incumbent|reigning|defending)",
        r"(?:latest|most recent|newest|current|upcoming|reigning|defending) \w+",
    ),
    "to_be_the_last": _any_of(
        r"(?:latest|most recent|last|first|only|youngest|oldest) (?:\S+ ){1,4}to (?:win|become|be|have|"
        "score|land|adopt|join|walk|hold|play|make|get)",
    ),
    "age_now": _any_of(
        "how old (?:is|are|'s)(?! the (?:oldest|earth|universe|sun|moon))",
        r"how old (?:\w+ ){1,3}(?:is|are)$",
    ),
    "elapsed": _any_of(
        "how (?:long|many (?:days|weeks|months|years|hours|minutes)) (?:has it been|since|ago|until|till|"
        r"to|left|remain\w*|are left|is it until)",
        "(?:days|years|weeks|months) (?:ago|since|until|left|old)",
        "in how many (?:years|days|weeks|months)",
    ),
    "count_grown": _any_of(
        r"how many (?:\S+ ){1,5}(?:has|have|does|do) (?:\S+ ){1,6}(?:scored|won|published|written|"
        "released|made|visited|recognized|have|directed|hosted|played|had|been|sold|recorded|got|reached)",
        "how many (?:people|countries|states|companies|players|teams) (?:have|has|are|use|own|live)",
    ),
    "costs": _any_of(
        r"(?:plan|subscription|membership|ticket|tuition) (?:\S+ ){0,3}cost",
        r"how much (?:does|do|is|are) (?:\S+ ){0,8}(?:cost|worth|charge|pay)",
        r"(?:above|below|over|under) \$?\d",
    ),
    "year_past": _any_of(r"1\d{3}s?|20[01]\d"),
    "event": _any_of(
        "(?:festival|marathon|awards?|finals?|championships?|tournament|cup|open|bowl|prize|medal|series|"
        "ceremony|oscars?|emmys?|grammys?) ",
    ),
    "scheduled": _any_of(
        "scheduled",
        "expected",
        "slated",
        "supposed to",
        "due (?:to|out)",
        "going to be",
        "will (?:be|the|it|there)",
    ),
    "how_many_counted": _any_of(
        "how many (?:times|titles|championships|wins|goals|points|seasons|episodes|games|medals|movies|"
        "books|albums|children|kids|people|countries|states|stores|employees|members|players|cups|rings|"
        "super bowls|trophies|followers|subscribers)",
    ),
    "how_old": _any_of("how old (?:is|are|'s)", "age of", "(?:what is|what's) the age"),
    "how_long_since": _any_of(
        "how long (?:has|have|is|since|until|ago)",
        "how many (?:days|years|months|weeks|hours) (?:until|since|ago|till|to|left|has|have|in)",
        "in how many",
    ),
    "office": _any_of(
        rf"(?:who|who's|whos|name of|name) (?:is |are |'s )?(?:the |our |a )?(?:\S+ ){{0,5}}{_OFFICE}"
    ),
    "who_was": _any_of(
        "who (?:was|were|did|wrote|sang|sings|invented|discovered|founded|created|directed|starred|made|"
        "painted|composed|said|died|dies|built|killed)",
    ),
    "who_played": _any_of("who (?:played|plays|voiced|voices|sang|sings|wrote|said)", "whose voice"),
    "won": _any_of("won|win|wins|winner|winners|winning|champions?|defending"),
    "when_is": _any_of(
        "when(?:'s| is| are| does| do| will| can)",
        "what (?:date|day|time) (?:is|are|does|do|will)",
    ),
    "when_did": _any_of(
        "when (?:did|was|were|had)",
        "what year (?:did|was|were)",
        "in (?:what|which) (?:year|month|century)",
    ),
    "year": _any_of(r"1\d{3}s?|20\d\ds?"),
    "ordinal": _any_of(r"first|second|third|original|originally|1st|2nd|3rd|\d+th|ancient|old"),
    "numbered": _any_of(
        "(?:season|episode|chapter|part|book|volume|series|act|world war|version|grade|level|class|"
        r"article|section|amendment) (?:\d+|one|two|three|four|five|i+|iv|v)",
        r"s\d+e\d+",
    ),
    "ranking": _any_of(
        r"rank(?:ed|ing|ings|s)?|standings?|top \d+|(?:number|no\.?) (?:one|1)|position|list of|charts?|"
        "percentage|percent of|rate of|index",
    ),
    "in_place": _any_of(
        "in the (?:us|usa|uk|united states|world|nba|nfl|mlb|nhl|premier league|country)",
        "in (?:india|america|england|canada|china|california|texas)",
    ),
    "sport": _any_of(
        "nba|nfl|mlb|nhl|ufc|fifa|uefa|cricket|football|basketball|baseball|soccer|tennis|ipl|odi|"
        "olympics?|super ?bowl|world cup|champions league|premier league|series|playoffs?|finals?|"
        "grand slam|wimbledon|us open|formula|nascar|medals?|tournament|season|league|team|nobel|oscar|"
        "grammy|award|emmy|academy",
    ),
    "weather_asked": _any_of(
        "weather|forecast",
        "(?:is|will) it (?:be |going to |to be )*(?:rain|raining|snow|snowing|sunny|cloudy|windy|hot|"
        r"cold|warm|humid|nice|foggy|storm\w*)",
        "(?:hot|cold|warm|temperature) (?:is it |will it be )?(?:outside|today|out there|here|in)",
    ),
    "clock": _any_of(
        r"what(?:'s| is)? (?:the )?(?:\w+ )?(?:time|date|day|year|month)",
        "time (?:is it|in|at|right|now)",
        "what day",
        "the (?:time|date)",
    ),
    "near": _any_of(
        "near(?:by| me| here)?",
        "around (?:me|here)",
        "closest|nearest",
        "in my (?:area|city|town|neighborhood)",
        "here|local",
        "open (?:now|today|until|late|on)",
    ),
    "mine": _any_of(
        "(?:do|did|have|am|are|will|is|was|were|can|should) (?:i|we|my|our|any of my)",
        r"(?:have|has) (?:i|anyone|anybody|someone|he|she) (?:\w+ )?(?:gotten|got|received|get|any|new|"
        "sent|emailed|written|called|commented|posted|tagged)",
        "i (?:have|need|got|missed|owe|spent|spend|earn|make)",
    ),
    "own_state": _any_of(
        r"(?:my|our|any|new|unread|from|to) (?:\w+ ){0,2}(?:calendar|schedule|agenda|appointments?|"
        "meetings?|e-?mails?|inbox|messages?|texts?|lists?|to-?dos?|reminders?|alarms?|notifications?|"
        "facebook|twitter|instagram|feed|timeline|tweets?|posts?|playlist|contacts?|balance|bills?|"
        "transactions?|spending|orders?|packages?|reservations?|bookings?|location|phone|credit score|"
        "paycheck|pto|vacation days|tasks?|events?|birthdays?|friends?|followers)",
    ),
    "command": re.compile(
        _POLITELY
        + r"(?:turn|switch|play|set|remind|call|send|open|close|start|stop|pause|skip|add|remove|delete|create|"
        r"book|order|cancel|mute|dim|lower|raise|increase|wake|text|email|reply|schedule|reschedule|put|clear|erase|"
        r"read|check|show|list|update|notify|alert|beep|tell|give|let|find|search|look|get|fetch|track|locate|ping|"
        r"change|make|connect|transfer|pay|freeze|block|move)\b"
    ),
    "device": _any_of(
        "turn (?:on|off|up|down)",
        "switch (?:on|off)",
        "lights?|volume|thermostat|music|playlist",
        "speaker|vacuum|coffee machine|tv|radio|podcast|timer|alarm",
    ),
    "how_to": _any_of(
        "how (?:to|do you|do i|do we|can i|can you|should i|should you|does one|would i|would you|can we)",
        "(?:what|which) (?:is the )?(?:best|right|proper|correct|easiest|fastest) way",
        "steps? to",
    ),
    "convert": _any_of(
        r"convert|conversion|time ?zones?|from \w+ to \w+|difference between|gmt|est|pst|utc|equal to",
        "in (?:kilometers|miles|feet|meters|inches|centimeters|grams|ounces|pounds|kilos|liters|cups|"
        "celsius)",
    ),
    "asks_yes_no": re.compile(r"^(?:is|are|was|were|did|does|do|can|will|has|have|should|could)\b"),
    "asks_what": re.compile("^what"),
    "asks_who": re.compile("^who"),
}
"""Flags that are set when the pattern is found in the lower-case text."""

NAMES: tuple[str, ...] = (*WORDS, *PATTERNS, "long")


def flags_of(text: str) -> tuple[bool, ...]:
    """Return which flags of `NAMES` are set, in that order."""
    lower = _ends(text).lower().replace("\u2019", "'")
    words = set(_WORD.findall(lower))
    words.update([word.partition("'")[0] for word in words if "'" in word])
    found = [not row.isdisjoint(words) for row in WORDS.values()]
    found += [pattern.search(lower) is not None for pattern in PATTERNS.values()]
    return (*found, len(text) >= _LONG_CHARACTERS)


def _ends(text: str) -> str:
    if len(text) <= 2 * _END_CHARACTERS:
        return text
    return f"{text[:_END_CHARACTERS]}\n{text[-_END_CHARACTERS:]}"
