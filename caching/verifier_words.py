"""Closed classes of English words that the verifier tells apart. Pure data, written by hand."""

# ruff: noqa: SIM905 (word lists are read and edited as text)

from enum import IntEnum, auto


class Kind(IntEnum):
    """What sort of word a token is: the first that fits, in the order of `kind_of_word`."""

    NUMBER = 0
    NAME = auto()
    """With a capital letter where none is due."""
    NEGATION = auto()
    TIME = auto()
    QUESTION = auto()
    MASCULINE = auto()
    FEMININE = auto()
    SPEAKER = auto()
    """I, you, we: who asks; true paraphrases swap them freely."""
    OTHERS = auto()
    """They, it."""
    PRESENT = auto()
    PAST = auto()
    FUTURE = auto()
    MODAL = auto()
    QUANTITY = auto()
    JUNCTION = auto()
    DIRECTION = auto()
    """Prepositions whose two sides can't be swapped."""
    PLACE = auto()
    """Other prepositions."""
    ARTICLE = auto()
    FILLER = auto()
    DEGREE = auto()
    """Superlatives and comparatives."""
    COMMON = auto()
    RARE = auto()


CLASSES: dict[Kind, frozenset[str]] = {
    Kind.NEGATION: frozenset(
        "not no never none nobody nothing nowhere neither nor cannot without except excluding lack lacks lacking "
        "n't non hardly barely unless".split()
    ),
    Kind.TIME: frozenset(
        "before after during until till since while prior ago yet already still anymore now today tonight "
        "tomorrow yesterday past future later earlier afterwards afterward previously formerly once soon daily "
        "weekly monthly yearly annually annual monday tuesday wednesday thursday friday saturday sunday january "
        "february march april june july august september october november december spring summer autumn winter "
        "morning afternoon evening night midnight noon weekend weekday forever temporarily permanently always "
        "sometimes often rarely seldom ever".split()
    ),
    Kind.QUESTION: frozenset(
        "what which who whom whose when where why how whether whatever whichever whoever".split()
    ),
    Kind.MASCULINE: frozenset("he him his himself".split()),
    Kind.FEMININE: frozenset("she her hers herself".split()),
    Kind.SPEAKER: frozenset(
        "i me my mine myself you your yours yourself we us our ours ourselves u ur one's someone somebody "
        "people anyone".split()
    ),
    Kind.OTHERS: frozenset("they them their theirs themselves it its itself".split()),
    Kind.PRESENT: frozenset("is are am be been being do does doing have has having".split()),
    Kind.PAST: frozenset("was were did had".split()),
    Kind.FUTURE: frozenset("will shall 'll would gonna".split()),
    Kind.MODAL: frozenset("can could should must may might need ought able".split()),
    Kind.QUANTITY: frozenset(
        "all some any every each both either most many much few several only least more less fewer enough half "
        "double twice another other others else same different total average whole entire per again".split()
    ),
    Kind.JUNCTION: frozenset("and or but if then because so than as though although vs versus".split()),
    Kind.DIRECTION: frozenset(
        "from to into onto toward towards over under above below between against by up down off out upon through "
        "across within inside outside beyond behind beneath ahead away back around along".split()
    ),
    Kind.PLACE: frozenset("in on at of for about with like near regarding concerning via".split()),
    Kind.ARTICLE: frozenset("a an the this that these those there here".split()),
    Kind.FILLER: frozenset(
        "please kindly actually currently really truly somehow basically exactly simply just hi hello hey thanks "
        "thank ok okay well also too very quite pretty rather maybe perhaps anyway honestly literally".split()
    ),
    Kind.DEGREE: frozenset(
        "best worst better worse largest biggest smallest highest lowest greatest longest shortest fastest "
        "slowest oldest youngest newest latest earliest cheapest easiest "
        "hardest strongest top first last next larger "
        "bigger smaller higher lower greater longer shorter faster slower older younger newer cheaper easier "
        "harder stronger weaker maximum minimum max min main primary".split()
    ),
}

CONTRACTIONS = {
    "what's": ("what", "is"), "what're": ("what", "are"), "what'll": ("what", "will"), "what'd": ("what", "did"),
    "who's": ("who", "is"), "who're": ("who", "are"), "who'll": ("who", "will"), "where's": ("where", "is"),
    "where're": ("where", "are"), "where'd": ("where", "did"), "when's": ("when", "is"), "why's": ("why", "is"),
    "how's": ("how", "is"), "how're": ("how", "are"), "how'd": ("how", "did"), "how'll": ("how", "will"),
    "that's": ("that", "is"), "there's": ("there", "is"), "here's": ("here", "is"), "it's": ("it", "is"),
    "he's": ("he", "is"), "she's": ("she", "is"), "let's": ("let", "us"),
    "i'm": ("i", "am"), "i've": ("i", "have"), "i'd": ("i", "would"), "i'll": ("i", "will"),
    "you're": ("you", "are"), "you've": ("you", "have"), "you'd": ("you", "would"), "you'll": ("you", "will"),
    "we're": ("we", "are"), "we've": ("we", "have"), "we'd": ("we", "would"), "we'll": ("we", "will"),
    "they're": ("they", "are"), "they've": ("they", "have"), "they'd": ("they", "would"),
    "they'll": ("they", "will"), "it'll": ("it", "will"), "it'd": ("it", "would"), "he'll": ("he", "will"),
    "she'll": ("she", "will"), "he'd": ("he", "would"), "she'd": ("she", "would"),
    "can't": ("can", "not"), "cant": ("can", "not"), "cannot": ("can", "not"), "won't": ("will", "not"),
    "wont": ("will", "not"), "don't": ("do", "not"), "dont": ("do", "not"), "doesn't": ("does", "not"),
    "doesnt": ("does", "not"), "didn't": ("did", "not"), "didnt": ("did", "not"), "isn't": ("is", "not"),
    "isnt": ("is", "not"), "aren't": ("are", "not"), "arent": ("are", "not"), "wasn't": ("was", "not"),
    "wasnt": ("was", "not"), "weren't": ("were", "not"), "haven't": ("have", "not"), "havent": ("have", "not"),
    "hasn't": ("has", "not"), "hasnt": ("has", "not"), "hadn't": ("had", "not"), "wouldn't": ("would", "not"),
    "shouldn't": ("should", "not"), "couldn't": ("could", "not"), "mustn't": ("must", "not"),
    "needn't": ("need", "not"), "ain't": ("is", "not"), "im": ("i", "am"), "ive": ("i", "have"),
    "whats": ("what", "is"), "hows": ("how", "is"), "wheres": ("where", "is"), "whos": ("who", "is"),
    "gonna": ("going", "to"), "wanna": ("want", "to"), "gotta": ("have", "to"),
}  # fmt: skip

#: Forms that no ending tells: the form, then what it is a form of.
IRREGULAR = {
    form: line.split()[0]
    for line in """
    be is are am was were been being
    do does did done doing
    have has had having
    go goes went gone going
    get gets got gotten getting
    make makes made making
    take takes took taken taking
    come comes came coming
    see sees saw seen seeing
    know knows knew known
    give gives gave given giving
    find finds found
    think thinks thought
    tell tells told
    become becomes became becoming
    leave leaves left leaving
    feel feels felt
    bring brings brought
    begin begins began begun
    keep keeps kept
    hold holds held
    write writes wrote written writing
    stand stands stood
    hear hears heard
    mean means meant
    meet meets met
    run runs ran running
    pay pays paid
    sit sits sat sitting
    speak speaks spoke spoken
    lead leads led
    grow grows grew grown
    lose loses lost losing
    fall falls fell fallen
    send sends sent
    build builds built
    understand understands understood
    draw draws drew drawn
    break breaks broke broken
    spend spends spent
    rise rises rose risen rising
    drive drives drove driven driving
    buy buys bought
    wear wears wore worn
    choose chooses chose chosen choosing
    eat eats ate eaten
    win wins won winning
    sell sells sold
    teach teaches taught
    catch catches caught
    fight fights fought
    throw throws threw thrown
    sleep sleeps slept
    forget forgets forgot forgotten
    drink drinks drank drunk
    fly flies flew flown
    steal steals stole stolen
    say says said saying
    child children
    man men
    woman women
    person persons people
    foot feet
    tooth teeth
    mouse mice
    life lives
    wife wives
    knife knives
    half halves
    use uses used using
    can could
    will would
    shall should
    may might
    good better best
    bad worse worst
    """.strip().splitlines()
    for form in line.split()
}
for _own in (
    "could",
    "would",
    "should",
    "might",
    "better",
    "best",
    "worse",
    "worst",
    "left",
    "people",
    "used",
):
    IRREGULAR.pop(_own, None)

NUMBER_WORDS = {
    word: str(value)
    for value, words in {
        0: "zero", 1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight",
        9: "nine", 10: "ten", 11: "eleven", 12: "twelve dozen", 13: "thirteen", 14: "fourteen", 15: "fifteen",
        16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 30: "thirty", 40: "forty",
        50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety", 100: "hundred", 1000: "thousand",
        1000000: "million", 1000000000: "billion",
    }.items()
    for word in words.split()
}  # fmt: skip

#: Words of one line turn the meaning around against words of the other side of the bar.
OPPOSITES = tuple(
    tuple(frozenset(side.split()) for side in line.split("|"))
    for line in """
    before prior | after following
    more most | less least fewer
    increase raise gain grow boost maximize | decrease reduce lower lose lessen minimize
    upgrade | downgrade
    enable activate | disable deactivate
    start begin open launch | stop end finish close quit
    add insert attach | remove delete detach
    install | uninstall
    buy purchase | sell
    import | export
    upload | download
    encrypt encode | decrypt decode
    lock | unlock
    subscribe | unsubscribe cancel
    follow | unfollow
    block | unblock
    mute | unmute
    hide | show unhide
    connect | disconnect
    mount | unmount
    compress zip | decompress extract unzip
    push | pull
    deposit | withdraw
    borrow | lend
    send | receive
    sent | received
    lend give | take
    hire | fire
    win | lose
    pass | fail
    accept approve allow | reject deny refuse forbid
    love like | hate dislike
    arrive enter | leave exit depart
    good better best | bad worse worst
    best top | worst
    high higher highest | low lower lowest
    big large bigger larger biggest largest | small little smaller smallest
    fast quick faster fastest | slow slower slowest
    hot warm | cold cool
    hottest | coldest
    easy simple easiest | hard difficult hardest
    cheap cheapest cheaper | expensive costly
    strong strongest | weak weakest
    rich richest wealthy | poor poorest
    old older oldest | young younger youngest new newer newest
    long longer longest | short shorter shortest
    tall taller tallest | short shorter shortest
    safe | dangerous unsafe harmful
    legal | illegal
    true | false
    happy | sad unhappy
    male man men boy husband father | female woman women girl wife mother
    maximum max | minimum min
    advantage advantages pros benefit benefits | disadvantage disadvantages cons drawback drawbacks
    success | failure
    first | last
    early earliest | late latest
    ascending | descending
    horizontal | vertical
    positive | negative
    active | passive inactive
    public | private
    internal | external
    inside indoor | outside outdoor
    left | right
    north | south
    east | west
    up | down
    over above | under below
    with | without
    front | back rear
    income revenue | expense
    profit | loss
    credit | debit
    day | night
    birth born | death die died
    asset assets | liability liabilities
    supply | demand
    sunrise | sunset
    input | output
    read | write
    client | server
    mandatory required | optional
    minor | major
    micro | macro
    gain | lose
    agree | disagree
    like | dislike
    always | never
    all every | some any
    and | or
    can | must
    buyer | seller
    teacher | student
    employer | employee
    doctor | patient
    husband | wife
    king | queen
    vegan vegetarian | meat
    full-time | part-time
    """.strip().splitlines()
    for line in [line]
)
