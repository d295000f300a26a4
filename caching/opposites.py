"""English words that turn a question around when one stands for the other. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from caching.stems import stem_of

#: One scale a line, its two sides parted by a bar; words joined by `_` are verbs with a particle.
_SCALES = """
    keep retain preserve | discard wipe erase
    edible | poisonous toxic inedible
    serialise | deserialise
    higher highest | lower lowest
    larger largest bigger biggest greater greatest | smaller smallest lesser tiniest
    longer longest | shorter shortest
    faster fastest quicker quickest | slower slowest
    better best good great excellent positive | bad worse worst terrible awful horrible poor negative
    cheaper cheapest | pricier priciest costliest dearest
    older oldest elder | younger youngest
    stronger strongest | weaker weakest
    richer richest | poorer poorest
    easier easiest | harder hardest
    hotter hottest warmer warmest | colder coldest cooler coolest
    earlier earliest | later latest
    taller tallest | shorter shortest
    thicker thickest fatter | thinner thinnest slimmer
    buy buyer bought purchase acquire | sell seller sold
    before prior preceding | after following afterwards
    until | since
    start started begin began begun starting commence | stop end ended finish cease quit halt terminate
    open opened | close closed shut
    launch | shutdown
    enable activate unblock unmute | disable deactivate block mute
    enabled activated | disabled deactivated
    join | leave quit
    connect attach couple | disconnect detach decouple
    add insert append include | remove delete exclude omit subtract drop
    create make generate | delete destroy remove erase
    install | uninstall remove
    upgrade | downgrade
    update | revert
    upload | download
    import importing importer | export exporting exporter
    push | pull
    allow permit let approve authorize authorise legalize | forbid prohibit prevent deny ban block disallow
    accept approve grant | reject refuse decline deny
    agree | disagree
    love like loves enjoy adore | hate dislike detest loathe despise
    win won winner | lose lost loser
    up upward upwards uphill upstairs | down downward downwards downhill downstairs
    above over | below under beneath
    ascend ascending climb | descend descending
    top | bottom
    high tall | low short
    long lengthy | short brief
    big large huge giant enormous | small little tiny mini miniature
    fast quick rapid speedy | slow sluggish
    hot warm heat heating | cold cool cooling chill
    freeze froze frozen freezing | thaw melt boil unfreeze
    solid | liquid
    easy simple effortless | hard difficult complicated complex tough
    cheap inexpensive affordable low_cost | expensive costly pricey overpriced
    strong strength powerful | weak weakness powerless
    rich wealthy | poor broke
    young youth | old elderly
    new brand_new fresh | old used stale ancient
    modern contemporary | ancient traditional old_fashioned
    safe secure harmless | dangerous risky harmful hazardous unsafe insecure
    legal lawful allowed permitted | illicit prohibited forbidden banned unlawful
    true right correct accurate real genuine authentic | false wrong fake counterfeit inaccurate bogus
    happy glad cheerful joyful happiness joy | sad depressed miserable sadness depression unhappy
    always constantly | rarely seldom never hardly
    often frequently usually | rarely seldom infrequently
    everyone everybody everything everywhere | nobody nothing nowhere
    all every | none
    encrypt encode encryption encoding | decrypt decode decryption decoding
    compress zip compression | decompress unzip extract decompression
    borrow borrower | lend lender lent
    arrive arrival enter entry come incoming | leave departure exit outgoing depart
    arrival arrive | departure depart
    inbound incoming | outbound outgoing
    input | output
    intake inlet | outlet
    early premature | late overdue belated
    first initial original | last final
    next following upcoming | previous last preceding
    majority | minority
    maximum max maxima maximal | minimum min minima minimal
    upper | lower
    ceiling | floor
    advantage benefit pro pros upside merit strength | disadvantage drawback con cons downside demerit weakness
    success succeed successful | failure fail failed unsuccessful
    pass passed | fail failed flunk
    healthy well | sick ill unhealthy diseased
    brave courageous bold fearless | cowardly fearful timid scared afraid
    calm relaxed peaceful | anxious nervous stressed tense agitated
    optimistic hopeful optimist | pessimistic hopeless pessimist
    humble modest | arrogant proud boastful conceited
    generous giving selfless | selfish stingy greedy miserly
    smart intelligent clever wise brilliant | stupid dumb foolish unintelligent
    beautiful pretty handsome attractive gorgeous | ugly hideous unattractive
    polite courteous respectful | rude impolite disrespectful
    lazy idle | hardworking productive active diligent industrious
    passive | active assertive proactive
    visible shown show reveal display expose unhide | hidden hide concealed conceal invisible
    appear | disappear vanish
    public | private confidential
    inside indoor indoors internal interior inner | outside outdoor outdoors external exterior outer
    light bright lit | dark dim
    light lightweight | heavy
    full filled fill | empty drain emptied
    wet moist damp humid | dry arid
    thick fat obese overweight | thin slim skinny lean underweight
    deep | shallow
    loud noisy | quiet silent
    clean clear | dirty filthy
    rough coarse | smooth
    gentle soft mild | harsh severe
    hard firm rigid stiff | soft flexible supple
    tight | loose
    tighten | loosen
    guilty convict convicted | innocent acquit acquitted
    lock locked | unlock unlocked
    ally friend friendly | enemy foe hostile
    remember recall memorize memorise | forget forgot
    build construct assemble | demolish dismantle disassemble
    north northern northward | south southern southward
    east eastern eastward | west western westward
    left leftmost left_handed | right rightmost right_handed
    front forward forwards ahead | back rear backward backwards behind reverse
    income revenue earnings earn | expense expenditure spend expenses
    profit profitable gain | loss unprofitable
    surplus excess | deficit shortage
    asset | liability
    credit | debit
    deposit pay_in | withdraw withdrawal withdrew
    save saving | spend spending waste
    send sender sent | receive receiver recipient received
    give gave giver | take took taker
    teach teacher taught | learn learner student pupil
    employer boss | employee
    hire hired employ recruit employ | fire fired dismiss dismissed lay_off
    landlord | tenant
    doctor physician | patient
    lawyer attorney defendant | prosecutor plaintiff
    adult adults grownup | child children kid kids infant baby
    ancestor | descendant
    master | slave
    predator | prey
    host | guest
    client | server
    frontend front_end | backend back_end
    hardware | software
    wired | wireless
    online | offline
    local | remote
    static | dynamic
    synchronous sync | asynchronous async
    parallel | serial sequential
    read reader | write writer
    encode serialize | decode deserialize
    commit | rollback
    merge join combine unite | split separate divide
    subscribe | unsubscribe
    follow | unfollow
    lossless | lossy
    mutable | immutable
    primary | secondary
    horizontal horizontally | vertical vertically
    row rows | column columns
    numerator | denominator
    multiply multiplied multiplication | divide divided division
    plus add added addition sum | minus subtract subtracted subtraction difference
    odd | even
    convex | concave
    clockwise | counterclockwise anticlockwise
    zoom_in | zoom_out
    log_in login sign_in signin log_on logon | log_out logout sign_out signout log_off logoff
    opt_in | opt_out
    check_in checkin | check_out checkout
    turn_on switch_on power_on | turn_off switch_off power_off turn_down
    turn_up | turn_down
    speed_up accelerate | slow_down decelerate brake
    move_in | move_out
    break_up | make_up get_back
    put_on wear | take_off
    wake awake | sleep asleep
    stand | sit
    sunrise dawn | sunset dusk
    day daytime daily morning | night nighttime nightly
    morning am | evening pm
    summer | winter
    spring | autumn
    weekday weekdays | weekend weekends
    yesterday past | tomorrow future
    birth born alive life live | death die dead died
    marry married marriage wedding | divorce divorced
    single unmarried | married
    virgin | nonvirgin
    dominant | submissive recessive
    introvert introverted introversion | extrovert extroverted extraversion extrovert
    liberal left_wing | conservative right_wing
    democrat democrats democratic | republican republicans
    capitalism capitalist | communism communist socialism
    war | peace
    attack offense offence offensive | defend defense defence defensive
    support favor favour endorse pro | oppose against opposed
    victory victorious | defeat
    theist believer religious | atheist nonbeliever secular
    heaven | hell
    angel | devil demon
    god | satan
    hero protagonist | villain antagonist
    fiction fictional | nonfiction factual
    comedy | tragedy
    voluntary optional | mandatory compulsory required obligatory
    permanent permanently | temporary temporarily
    manual manually | automatic automatically automated
    natural organic | artificial synthetic
    raw uncooked | cooked
    ripe | unripe
    alcoholic | nonalcoholic
    vegetarian vegan | meat_eater carnivore
    herbivore | carnivore
    cat | dog
    land | sea
    urban city | rural countryside
    domestic national | foreign international overseas
    citizen | foreigner immigrant
    immigrate immigration immigrant | emigrate emigration emigrant
    native | foreign
    rent rented | own
    lease rent | buy
    new | secondhand second_hand refurbished
    fixed | variable floating
    bull bullish | bear bearish
    inflation inflationary | deflation deflationary
    appreciate appreciation | depreciate depreciation
    supply | demand
    wholesale | retail
    prepaid | postpaid
    before_tax gross | after_tax net
    payable | receivable
    long_term longterm | short_term shortterm
    stock | bond
    call_option | put_option
    fulltime full_time | parttime part_time
    senior | junior
    undergraduate bachelor | postgraduate graduate master
    theory theoretical | practice practical
    qualitative | quantitative
    subjective | objective
    abstract | concrete
    literal | figurative metaphorical
    formal | informal casual
    general generic | specific particular
    common usual | rare unusual uncommon
    normal | abnormal
    known famous | unknown obscure
    popular | unpopular
    similarity similarities similar | difference differences different dissimilar
    same identical equal | different unequal
    include including | exclude excluding
    question | statement
    cause causes | effect effects
    cause | prevent cure
    problem | solution
    disease illness | cure remedy
    acute | chronic
    benign | malignant
    bacterial | viral
    artery arterial arteries | vein venous veins
    systolic | diastolic
    systole | diastole
    anterior | posterior
    ventral | dorsal
    proximal | distal
    lateral | medial
    superior | inferior
    sensory afferent | motor efferent
    inhale inhalation breathe_in inspiration | exhale exhalation breathe_out expiration
    constipation constipated | diarrhea diarrhoea
    tachycardia | bradycardia
    hypertension | hypotension
    dilate dilation dilated | constrict constriction constricted
    agonist | antagonist
    anabolic anabolism | catabolic catabolism
    aerobic | anaerobic
    inpatient | outpatient
    oral | intravenous topical
    sterile fertile | infertile
    fertile | barren sterile infertile
    prenatal antenatal | postnatal postpartum
    preoperative | postoperative
    nearsighted myopia shortsighted | farsighted hyperopia longsighted
    contagious infectious | noncontagious
    pregnant | nonpregnant
    vaccinated | unvaccinated
    dehydrate dehydrated | hydrate hydrated
    swallow | vomit spit
    overdose | underdose
    acid acidic | alkaline basic alkali
    anode | cathode
    proton | electron
    oxidation oxidize oxidise | reduction
    endothermic | exothermic
    attract attraction | repel repulsion
    expand expansion | contract contraction
    evaporate evaporation | condense condensation
    absorb absorption | emit emission
    conductor | insulator
    prokaryote prokaryotic prokaryotes | eukaryote eukaryotic eukaryotes
    mitosis | meiosis
    vertebrate | invertebrate
    haploid | diploid
    homozygous | heterozygous
    homogeneous | heterogeneous
    transparent | opaque
    real | imaginary virtual
    rational | irrational
    finite | infinite
    discrete | continuous
    linear | nonlinear
    convergent converge | divergent diverge
    singular | plural
    vowel | consonant
    synonym | antonym
    prefix | suffix
    uppercase capital | lowercase
    noun | verb
    bold | italic
    landscape | portrait
    foreground | background
    major | minor
    sharp | blunt dull
    sweet | bitter sour
    fresh | rotten spoiled
    honest truthful sincere | dishonest lying insincere
    truth | lie lies
    loyal faithful | disloyal unfaithful cheating
    trust | distrust mistrust
    kind nice | cruel mean unkind
    moral ethical | immoral unethical
    careful cautious | careless reckless
    patient | impatient
    confident | insecure shy
    shy quiet reserved | outgoing outspoken talkative
    serious | funny joking
    interesting exciting | boring dull
    useful helpful | useless unhelpful
    important significant | unimportant trivial insignificant
    necessary needed essential | unnecessary needless
    possible able | impossible unable
    likely probable | unlikely improbable
    sure certain | unsure uncertain
    near close nearby nearest closest | far distant farthest furthest
    present attend | absent
    ready | unready
    broken damaged | intact
    break damage ruin | fix repair mend
    hit | miss
    found find | lost lose
    stolen steal | returned
    refund | charge
    cancel cancelled canceled | confirm confirmed renew
    order | cancel
    expire expired | valid renew
    approve approved | reject rejected
    pending | completed
    physical | virtual digital
    personal | business
    single | joint
    oneway one_way | roundtrip round_trip
    departure | return
    takeoff take_off | landing
    pickup pick_up | dropoff drop_off
    uplink | downlink
    overweight | underweight
    overestimate | underestimate
    overpaid overpay | underpaid underpay
    overcooked | undercooked
    overrated | underrated
    outgoing | incoming
    victim | perpetrator
    plaintiff | defendant
    bride | groom
"""

#: Beginnings that stand for the opposite of each other: overpaid, underpaid; happy, unhappy.
_BEGINNINGS = """
    - un, - in, - im, - ir, - il, - dis, - non, - mis, - de, - anti, hyper hypo, pre post, inter intra,
    macro micro, over under, up down, in out, in ex, im ex, im em, intro extro, endo exo, mono poly, homo hetero,
    sub super, pro anti, uni multi, en dis, en de, as des, as dis, con dis, on off, fore back, ante post, out over
"""
#: Ends that do: useful, useless (as stems).
_ENDS = {"ful": "les", "les": "ful"}
#: How much two words must have in common behind their beginnings.
_LEAST_COMMON = 3
#: Of words that are compared.
_LONGEST = 32


def opposites_between(a: Iterable[str], b: Iterable[str]) -> int:
    """Count the words of one text (those that the other lacks) that have their opposite in the other.

    Takes stems; a pair counts once, whichever scale lists it.
    """
    ours, theirs = ({stem for stem in side if len(stem) <= _LONGEST} for side in (a, b))
    return min(_count(ours, theirs), _count(theirs, ours))


def _count(words: set[str], others: set[str]) -> int:
    by_ending: defaultdict[str, list[str]] = defaultdict(list)
    for other in others:
        by_ending[other[-_LEAST_COMMON:]].append(other)
    return sum(
        not _LISTED.get(word, frozenset()).isdisjoint(others)
        or any(_begin_opposed(word, other) for other in by_ending[word[-_LEAST_COMMON:]])
        or (word[-3:] in _ENDS and word[:-3] + _ENDS[word[-3:]] in others)
        for word in words
    )


def _begin_opposed(word: str, other: str) -> bool:
    """Whether what stands before the common end of two stems turns them around."""
    return _parted(word, other) in _OPPOSED_BEGINNINGS


def _parted(word: str, other: str) -> tuple[str, str]:
    """Return what is left of two words without their common end."""
    common = 0
    for ours, theirs in zip(reversed(word), reversed(other), strict=False):
        if ours != theirs:
            break
        common += 1
    return word[: len(word) - common], other[: len(other) - common]


def _read_beginnings() -> frozenset[tuple[str, str]]:
    pairs = [pair.replace("-", "").split(" ") for pair in " ".join(_BEGINNINGS.split()).split(", ")]
    parted = {_parted(one, other) for one, other in pairs}
    return frozenset(parted | {(other, one) for one, other in parted})


def _read_scales() -> dict[str, frozenset[str]]:
    opposites: defaultdict[str, set[str]] = defaultdict(set)
    for line in _SCALES.strip().splitlines():
        left, right = ({stem_of(word) for word in side.split()} for side in line.split("|"))
        for side, other in ((left, right), (right, left)):
            for stem in side:
                opposites[stem] |= other - side
    return {stem: frozenset(others) for stem, others in opposites.items()}


_OPPOSED_BEGINNINGS = _read_beginnings()
_LISTED = _read_scales()

COMPOUNDS = frozenset(word for word in _SCALES.split() if "_" in word)
"""Pairs of words that are listed as one."""
