"""Recognises English questions whose answer depends on when they are asked. Pure.

The rules prefer to miss: a bypassed question costs a call each time, and answers leave the cache by their TTL.
"""

import re
from dataclasses import dataclass

#: Of a long text only the ends ask for something; what lies between is material.
_END_CHARACTERS = 1_000
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|half|twice)\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)")
#: A story that brings its own figures asks for one more: its "today" is in the story. So many say that it is one.
_STORY_NUMBERS = 2
#: Patterns that ignore case take these for i and s; `lower` doesn't.
_ODD_CASE = re.compile("[\u0130\u0131\u017f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeRule:
    """A group of wordings that ask for something as it is now."""

    name: str
    hints: frozenset[str]
    """Words of which every such wording has one: to look them up costs much less than the pattern."""
    says: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    """Wording anywhere in the question that makes it ordinary again."""


def time_rule(question: str) -> str | None:
    """Return the name of the first rule that finds a question to depend on the time of asking."""
    text = _ends(question).replace("\u2019", "'")
    words = set(_WORD.findall(text.lower()))
    is_odd = not text.isascii() and _ODD_CASE.search(text) is not None
    for rule in TIME_RULES:
        if (is_odd or not rule.hints.isdisjoint(words)) and _holds(rule, text):
            return None if _tells_a_story(text) else rule.name
    return None


def _tells_a_story(text: str) -> bool:
    """Whether the text is a problem of several sentences with numbers in it, of nobody present."""
    return (
        _SENTENCE_END.search(text) is not None
        and len(_NUMBER.findall(text)) >= _STORY_NUMBERS
        and _TELLING.search(text) is None
        and _PRESENT.search(text) is None
    )


def _holds(rule: TimeRule, text: str) -> bool:
    return bool(rule.says.search(text)) and not (rule.unless and rule.unless.search(text))


def _ends(text: str) -> str:
    if len(text) <= 2 * _END_CHARACTERS:
        return text
    return f"{text[:_END_CHARACTERS]}\n{text[-_END_CHARACTERS:]}"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b", re.IGNORECASE)


def _or(*patterns: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile("|".join(pattern.pattern for pattern in patterns), re.IGNORECASE)


#: Somebody tells what happened to them: "I lost my card yesterday".
_TELLING = _any_of(r"i", r"i'm", r"i've", r"i'd", r"my", r"we", r"we've", r"our")
#: Somebody who tells it, or is asked, wants to know it of the real world.
_PRESENT = _any_of(r"you", r"your", r"me", r"weather", r"news", r"prices? of", r"exchange")
#: What happened today is told, not asked: "I tried to pay today and it failed".
_HAPPENED = _any_of(
    r"(?:i|we) (?:\w+ ){0,2}(?:was|were|had|did|bought|tried|made|went|got|found|withdrew|saw|took|lost|sent|paid|"
    r"needed|checked|used|noticed|ordered|received|transferred|topped|[a-z]{3,}ed)",
    r"i(?:'m| am) (?:in|on|at|out|overseas|abroad|trying|looking|currently)",
    r"my (?:\w+ ){1,3}(?:was|were|has|have|keeps?|kept|isn't|won't|didn't|needs?)",
    r"(?:delete|cancel|revert|reactivate|undo|refund) (?:my|the|a|this|that|it|what)",
)
_EXPLAINING = _any_of(
    r"why", r"how (?:do|does|did|are|is|can|could|should|to)", r"explain", r"meaning", r"difference"
)
_IS = r"(?:is|are|was|were|will be)"
_ASK = rf"(?:what's|what {_IS}|how much {_IS}|how's|how (?:is|are)|(?:tell|show|give|get) me|show|check|get|find)"

_NOW_CHANGING = (
    r"time|date|day|month|year|season|weather|temperature|prices?|value|rates?|status|score|president|"
    r"prime minister|ceo|champions?|version|population|situation|state|events?|affairs|news|balance|location|"
    r"market|trends?|record|leader|king|queen|pope|governor|mayor|chancellor|head|chairman|owner|government|"
    r"inflation|unemployment|laws?|holder|standings?|rankings?|traffic|stock|speaker|coach|captain|minister|"
    r"secretary|director|members?|exchange|interest"
)
_PERIODS = (
    "week weekend month year season quarter morning afternoon evening night summer winter spring autumn "
    "monday tuesday wednesday thursday friday saturday sunday"
)
_PERIOD = rf"(?:{'|'.join(_PERIODS.split())})"
_ALL_GOODS = (
    "stock stocks share shares gold silver oil gas petrol fuel diesel bitcoin btc crypto ethereum eth"
)
_GOODS = rf"(?:{'|'.join(_ALL_GOODS.split())})"
_ALL_MONEY = (
    "dollar dollars usd euro euros eur pound pounds gbp yen rupee rupees inr peso pesos franc francs yuan bitcoin "
    "bitcoins"
)
_MONEY = rf"(?:{'|'.join(_ALL_MONEY.split())})"

TIME_RULES: tuple[TimeRule, ...] = (
    TimeRule(
        name="now",
        hints=_words("now moment present today currently presently real live"),
        says=_any_of(
            r"right now", r"just now", r"at the moment", r"at present", r"(?:as of|until|till) (?:now|today)",
            r"currently", r"presently", r"real[- ]time (?:data|prices?|quotes?)",
            r"live (?:scores?|updates?|traffic)",
            r"(?:is|are|happening|going on|open|playing) (?:\w+ ){0,2}now",
        ),
        unless=_or(
            _HAPPENED,
            _any_of(
                r"(?:i'm|i am) not currently", r"would (?:be|have)", r"if .{0,40}right now", r"time ?zones?",
                r"i currently", r"who is currently \d", r"in (?:my|your) (?:life|career)",
            ),
        ),
    ),
    TimeRule(
        name="current",
        hints=_words("current present date"),
        says=_any_of(rf"(?:current|present[- ]day|up[- ]to[- ]date) (?:\w+ ){{0,2}}(?:{_NOW_CHANGING})"),
        unless=_any_of(r"convert", r"calculate"),
    ),
    TimeRule(
        name="day",
        hints=_words(f"today tonight tomorrow next coming {_PERIODS}"),
        says=_any_of(
            r"today(?:'s)?", r"tonight(?:'s)?", r"tomorrow(?:'s)?", rf"(?:this|next|coming) {_PERIOD}",
            r"in the (?:next|coming) (?:\w+ )?(?:minutes?|hours?|days?|weeks?)",
        ),
        unless=_or(
            _HAPPENED,
            _any_of(
                r"today's (?:world|society|age)", r"still (?:\w+ ){0,2}today", r"would .{0,60}today",
                r"every day this", r"about (?:you|me|us) today",
            ),
        ),
    ),
    TimeRule(
        name="past_day",
        hints=_words("yesterday last past recently"),
        says=_any_of(r"yesterday(?:'s)?", rf"(?:last|past) {_PERIOD}", r"recently", r"past (?:few )?days"),
        unless=_TELLING,
    ),
    TimeRule(
        name="latest",
        hints=_words("latest newest recent recently upcoming"),
        says=_any_of(r"latest", r"newest", r"most recent(?:ly)?", r"upcoming"),
        unless=_TELLING,
    ),
    TimeRule(
        name="news",
        hints=_words("headlines news new stories trending update updates happening going"),
        says=_any_of(
            r"breaking news", r"(?:the )?(?:news )?headlines", r"news (?:about|on|from|today|updates?|related)",
            rf"(?:{_ASK}|any|the|some|read|hear|world|local|international) (?:\w+ ){{0,2}}news", r"in the news",
            r"top stories", r"what(?:'s| is) trending", r"^(?:please )?update me on",
            r"(?:election|match|game|sports?|strike|war|storm) updates?",
            r"what(?:'s| is) (?:happening|going on|new) in (?:the )?(?:world|news|politics|sports?)",
            r"^(?:\w+ )?news(?= *(?:$|[?.!]))", r"news (?:articles|stories)",
        ),
        unless=_any_of(r"fake news", r"news (?:channel|website|paper|app)s?"),
    ),
    TimeRule(
        name="weather",
        hints=_words(
            "weather forecast outside out rain raining snow snowing sunny cloudy windy umbrella raincoat jacket "
            "coat hot cold warm chilly wet nice humid temperature humidity"
        ),
        says=_any_of(
            rf"(?:{_ASK}|what will) (?:\w+ ){{0,3}}weather",
            r"weather (?:forecast|report|in|for|at|like|outside|be)",
            r"weather (?:details?|conditions?|updates?|app|today|right)",
            r"^(?:\w+ ){0,2}weather(?= *(?:$|[?.!]))",
            r"forecast (?:for|in)",
            r"how (?:hot|cold|warm|windy|humid) is it", r"will it be (?:nice|hot|cold|warm|chilly|wet)",
            r"(?:what(?:'s| is)|tell me|give me|check) the (?:temperature|humidity) (?:in|at|outside|for|here)",
            r"(?:temperature|hot|cold|warm|humid|windy) (?:is it )?(?:outside|out there)",
            r"(?:is|will) it (?:be |going to )?(?:rain|raining|snow|snowing|sunny|cloudy|windy)",
            r"(?:do|will|should) i (?:need|take|bring|wear) (?:a |an |my )?(?:umbrella|rain ?coat|jacket|coat)",
        ),
        unless=_any_of(
            r"climate", r"weather vane", r"why", r"typical", r"average", r"usually", r"in space", r"boils?"
        ),
    ),
    TimeRule(
        name="clock",
        hints=_words("time day date"),
        says=_any_of(
            r"what time is it", r"what(?:'s| is) the time(?= *(?:$|[?.!]|in\b|at\b|now\b|here\b))",
            r"what day is it",
            r"what(?:'s| is) the (?:day|date)(?= *(?:$|[?.!]|now\b))", r"what(?:'s| is) the date today",
            r"what(?:'s| is) (?:the )?(?:local )?time (?:is it )?in", r"tell me the time",
            r"(?:give|show|get|have) (?:me )?(?:the )?(?:current |local |exact )?time"
            r"(?= *(?:$|[?.!]|in\b|here\b))",
            r"can i get the time",
        ),
        unless=_any_of(
            r"if", r"when", r"given", r"convert", r"complexity", r"compared", r"g\. ?m\. ?t\.",
            r"it(?:'s| is) (?:now )?(?:\d|noon|midnight|one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
            r"twelve)",
        ),
    ),
    TimeRule(
        name="price",
        hints=_words(f"market rate rates exchange trading traded {_ALL_GOODS} {_ALL_MONEY}"),
        says=_any_of(
            rf"{_GOODS} (?:price|quote|rate|value)s?", rf"price of (?:a |an |one )?(?:\w+ )?{_GOODS}",
            rf"{_ASK} (?:\w+ ){{0,3}}(?:stocks?|shares?|market)(?: \w+){{0,2}} (?:doing|at|worth|trading)",
            rf"how much {_IS} (?:\w+ ){{0,2}}{_GOODS}(?: \w+){{0,2}} (?:worth|at|trading)",
            rf"{_ASK} (?:\w+ ){{0,3}}(?:exchange|conversion|mortgage|interest) rates?",
            rf"how (?:many|much) {_MONEY} .{{0,20}}{_MONEY}",
            rf"{_MONEY} (?:to|in|into|versus|vs|against|equals?) (?:\w+ ){{0,2}}{_MONEY}",
            rf"{_GOODS} (?:up|down|doing|going|trading)", r"(?:trading|traded) at",
            r"prices? of (?:\w+ ){1,3}(?:stock|shares)",
            rf"exchange (?:rate )?(?:between|of|for|from) (?:\w+ ){{0,2}}(?:{_MONEY}|us)",
        ),
        unless=_EXPLAINING,
    ),
    TimeRule(
        name="score",
        hints=_words("score winning leading ahead win"),
        says=_any_of(
            rf"(?:what's|what {_IS}|tell me) the (?:\w+ ){{0,4}}score(?= *(?:$|[?.!]|(?:of|in|for|between)\b))",
            r"who(?:'s| is) (?:winning|leading the|ahead)", r"score of the (?:\w+ ){0,3}(?:game|match)",
            r"did (?:the )?\w+ win (?:the game|the match|their game)",
        ),
        unless=_any_of(r"test", r"exam", r"credit", r"average", r"f1[- ]score"),
    ),
    TimeRule(
        name="traffic",
        hints=_words("traffic accidents accident congested home work"),
        says=_any_of(
            r"(?:how(?:'s| is)|is there|what(?:'s| is)) (?:\w+ ){0,2}traffic",
            r"traffic (?:reports?|conditions?|jams? on|updates?|status|situation|congestion|restrictions)",
            r"(?:show|tell me about|check|any) (?:\w+ ){0,2}traffic", r"^(?:\w+ )?traffic(?= *(?:$|[?.!]))",
            r"traffic (?:on|near|to) (?:the )?\w+", r"(?:any|are there) (?:\w+ )?accidents? on", r"how congested",
            r"how long (?:\w+ ){0,5}(?:drive|get) (?:to )?(?:home|work)(?= *(?:$|[?.!]))",
        ),
        unless=_any_of(
            r"website", r"network", r"organic", r"web", r"blog", r"site", r"human", r"lights?", r"laws?", r"seo",
            r"rules?", r"tickets?",
        ),
    ),
)  # fmt: skip
