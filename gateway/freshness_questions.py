"""Self-written questions by kind, from which the freshness model learns what no public data set asks. Pure.

Templates are filled at random from short lists; none of their wording comes from a data set.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence

from routing.freshness import Kind

#: A few typical questions per kind. Cosines to them are features of the embedding part.
ANCHORS: Mapping[Kind, tuple[str, ...]] = {
    "live": (
        "what is the weather like right now", "will it rain tomorrow",
        "how is the traffic on the way downtown", "what time is it", "what is today's date",
        "show me the latest news", "what is the stock price today", "what is the current exchange rate",
        "who is winning the game", "is the store open now", "when does my flight leave today",
        "how busy is the restaurant at the moment", "what's on tv tonight",
        "how much does gas cost near here", "what happened in the world today",
        "are there delays on the train line", "what events are there this weekend",
        "how many days are left until the holiday", "what is the price of bitcoin",
        "where can i get food nearby",
    ),
    "slow": (
        "who is the president of the country", "who is the ceo of the company", "how old is the actor",
        "what is the population of the city", "who holds the world record", "what is the latest version",
        "who has won the most championships", "which team does the player play for",
        "how many seasons of the show are there", "when does the new season come out",
        "who is the richest person", "what is the tallest building in the world",
        "who won the last world cup", "when is the next election", "what is the minimum wage",
        "how many countries have joined the union", "is the singer married",
        "where will the next games be held", "what is the highest grossing film of all time",
        "how many employees does the company have",
    ),
    "static": (
        "what is the definition of the word", "how do you spell the word", "how do i bake bread",
        "what is twelve times seven", "who wrote the novel", "when did the war end",
        "what is the capital city", "how many ounces are in a pound", "why is the sky blue",
        "who invented the machine", "what is the difference between the two", "how do i reset my password",
        "how do you say hello in another language", "what is the chemical formula",
        "explain how an engine works", "what are the symptoms of the disease", "how can i learn to program",
        "what year was the university founded", "what does the abbreviation stand for",
        "write a short poem about the sea",
    ),
    "personal": (
        "what is on my calendar today", "do i have any new emails", "read my shopping list",
        "what is my account balance", "where is my package", "set an alarm", "turn on the lights",
        "play my playlist", "what did i spend last month", "what are my reminders", "who liked my post",
        "when is my next meeting", "call my mother", "where did i park", "how much do i owe on my bill",
        "what is my credit score", "add milk to the list", "how many vacation days do i have left",
        "send a message to my boss", "where is my phone",
    ),
}  # fmt: skip

TEMPLATES: Mapping[Kind, tuple[str, ...]] = {
    "live": (
        "{ask} the weather {where} {when}", "is it going to {rain} {where} {when}",
        "will i need {gear} {when}", "what's the temperature {where}", "how {hot} is it outside",
        "weather {where}", "{when} forecast {where}", "what will it be like outside {when}",
        "what is the humidity {where}", "when is sunset {when}", "how is traffic {where}",
        "is there {trouble} on the {road}", "how long will it take to drive to {place} right now",
        "fastest way to {place} with this traffic", "what's the traffic like on my way to {place}",
        "{ask} the price of {stock}", "how is {stock} doing {when}", "what is {stock} trading at",
        "{stock} price", "is {stock} up or down", "did the stock market go up {when}",
        "how many {money} is one {money}", "what's {number} {money} in {money}",
        "exchange rate between {money} and {money}", "convert {number} {money} to {money}",
        "how much are {money} worth against {money}", "{ask} the news {topic}", "any {fresh} news {topic}",
        "what's happening {topic}", "{fresh} headlines {topic}", "what's going on in {place}",
        "news {topic}", "update me on {affair}", "what is the {fresh} on {affair}",
        "what time is it {where}", "time {where}", "what day is it {when}", "what is the date {when}",
        "what's today", "tell me the time {where}", "current date please", "which month are we in",
        "what day of the week is it", "what is the local time {where}", "did {team} win {when}",
        "what's the score of the {team} game", "who is {team} playing {when}",
        "when is the next {team} game", "is {team} winning", "{ask} the {league} results",
        "who won the {league} game {when}", "is {shop} open {when}", "how late is {shop} open {when}",
        "how long is the wait at {shop}", "how busy is {shop}", "where is the nearest {venue}",
        "find me {venue} near me", "are there any good {venue} around here",
        "what's playing at the cinema {when}", "what's on {channel} {when}", "any concerts {where} {when}",
        "is flight {flight} on time", "has flight {flight} landed",
        "when does the next {vehicle} to {place} leave", "are the {vehicle}s running {when}",
        "is there a travel warning for {place}", "cheapest flights to {place} {when}",
        "how much is gas {where}", "what are mortgage rates {when}", "what is bitcoin worth",
        "how many days until {feast}", "when is the next holiday", "when is {feast} this year",
        "what date is {feast}", "how long until {feast}", "is it safe to visit {place} right now",
        "is {service} down", "current status of {service}", "what's trending", "is there an alert {where}",
        "what's the air quality {where}", "what's the moon doing {when}",
        "how much does {product} cost right now", "is {product} in stock",
        "what is the {fresh} on the {league} season",
    ),
    "slow": (
        "who is the {office} of {place}", "who is {place}'s {office}", "who's the {office} of {company}",
        "name the current {office} of {company}", "who is the {office} of {place} now",
        "current {office} of {place}", "how old is {person}", "what is {person}'s age",
        "is {person} still alive", "who is {person} married to", "where does {person} live",
        "what is {person}'s net worth", "how many children does {person} have",
        "how many {works} has {person} {made}", "what is the {fresh} {work} by {person}",
        "what is {person} doing now", "what team does {person} play for",
        "how many goals has {person} scored", "how many {prizes} has {person} won",
        "what is the population of {place}", "how many people live in {place}",
        "which is the most populated {region}", "what is the {most} {thing} in the world",
        "what is the {most} {thing} in {place}", "who is the {most} {human}", "who has the most {prizes}",
        "who has won the most {prizes} in the {league}", "who holds the record for {feat}",
        "what is the record for {feat}", "most {prizes} of all time", "{most} {thing} in {place}",
        "who won the last {league}", "who won the {league}", "who is the {league} champion",
        "who won {prize} this year", "who is the reigning {league} champion",
        "when was the last time {team} won the {league}", "when did {team} last win",
        "last time {place} hosted the {league}", "who was the last {human} to {achieve}",
        "when is the next {league}", "where will the next {league} be held",
        "who is hosting the next {league}", "when does the next season of {show} come out",
        "when does {show} come back", "how many seasons of {show} are there",
        "how many episodes does {show} have", "is {show} cancelled", "{fresh} version of {software}",
        "what is the newest {product}", "which version of {software} is the latest",
        "how many users does {service} have", "how many employees does {company} have", "who owns {company}",
        "how much is {company} worth", "how many stores does {company} have",
        "what is the minimum wage in {place}", "what is the inflation rate in {place}",
        "what is the unemployment rate in {place}", "is {deed} legal in {place}",
        "how many countries {countries}", "where does {team} rank in the {league}",
        "where does {place} rank in {ranking}", "who is number one in {ranking}",
        "who is the coach of {team}", "who is the captain of {team}", "who plays {position} for {team}",
        "how much is the fine for {deed} in {place}", "how long has {person} been {office} of {place}",
        "how many years ago did {event}", "how long has it been since {event}", "has {person} won {prize}",
        "has anyone ever {achieved}", "how many times has {team} won the {league}",
        "when is the next election in {place}", "which party governs {place}",
        "how many satellites are in orbit", "what is the age limit for {deed} in {place}",
        "who runs {company}", "what is the top {work} on {service}",
        "who has the most followers on {service}", "how many {works} has {person} {made} so far",
        "in what country was the current {office} of {place} born", "how old is the {most} {human}",
        "what was {person}'s last {work}",
    ),
    "static": (
        "what does {word} mean", "define {word}", "how do you spell {word}",
        "what is the definition of {word}", "give me a synonym for {word}", "what's another word for {word}",
        "use {word} in a sentence", "how do i say {word} in {language}", "translate {word} to {language}",
        "what is the {language} word for {word}", "what is {number} plus {number}",
        "what's {number} times {number}", "divide {number} by {number}",
        "what is the square root of {number}", "what is {number} percent of {number}",
        "solve {number} minus {number}", "how many {unit} are in {number} {unit}",
        "convert {number} {unit} to {unit}", "how many {unit} in a {unit}",
        "what is the time difference between {place} and {place}",
        "if it is {number} am in {place} what time is it in {place}", "how do i cook {food}",
        "recipe for {food}", "what ingredients are in {food}", "how long should i boil {food}",
        "how many calories are in {food}", "what can i use instead of {food}", "is {food} healthy",
        "how long does {food} keep in the fridge", "what spices go into {food}", "can you freeze {food}",
        "who wrote {work_of_old}", "who painted {work_of_old}", "when was {work_of_old} written",
        "who invented {machine}", "when did {old_event}", "why did {old_event}",
        "who was the {office} of {place} in {year}", "what was the population of {place} in {year}",
        "who won the {league} in {year}", "who was the first {human}",
        "who was the first {office} of {place}", "who directed {film}", "who played the villain in {film}",
        "who sang the theme song of {film}", "what is the capital of {place}",
        "what language do they speak in {place}", "which continent is {place} on",
        "what river flows through {place}", "when was {company} founded", "who founded {company}",
        "where was {person} born", "when did {person} die", "what is the {science}",
        "how does {machine} work", "why {phenomenon}", "explain {science} to a child",
        "difference between {science} and {science}", "what are the symptoms of {illness}",
        "what causes {illness}", "how is {illness} treated", "how do i {task}",
        "what's the best way to {task}", "how can i {task}", "what should i do if {mishap}",
        "can you explain how to {task}", "i want to {task}, where do i start", "is it possible to {task}",
        "why {grievance}", "why {grievance}, what can i do", "i tried to {task} and it failed",
        "please help, {mishap}", "what documents do i need to {task}",
        "what do i need to know before i {task}", "how long does it take to {task}", "tips to {task}",
        "what are the benefits of {activity}", "is {activity} good for you",
        "how do i start with {activity}", "what kind of plug do they use in {place}",
        "do i need a visa for {place}", "which vaccines do i need for {place}",
        "what does {abbreviation} stand for", "what is a {finance}", "how does a {finance} work",
        "tell me a fun fact about {animal}", "how long do {animal} live", "what do {animal} eat",
        "are {animal} mammals", "tell me a joke about {animal}", "write a poem about {animal}",
        "write a function that sorts a list", "what is the meaning of life", "who are you",
        "summarize the plot of {work_of_old}", "what was the last {work} of {dead}",
        "how old was {dead} when he died", "what happens at the end of {film}",
        "which episode does the hero die in {film}", "season {few} episode {few} of {show} air date",
        "how tall is the {landmark}", "where is the {landmark}", "how far is the {planet} from the sun",
        "what is the boiling point of {substance}", "what is {substance} made of",
        "is {substance} poisonous",
    ),
    "personal": (
        "what's on my {store}", "read me my {store}", "what is on the {store} for {when}",
        "is {item} on my {store}", "add {item} to my {store}", "remove {item} from the {store}",
        "clear my {store}", "what lists do i have", "do i have any {note}",
        "are there any {note} from {friend}", "check my {note}", "show me my {note}", "did {friend} {reply}",
        "has {friend} {replied}", "when did i last hear from {friend}", "read the {note} from {friend}",
        "notify me when {friend} calls", "let me know if i get {note}", "any {note}",
        "do i have {appointment} {when}", "what time is my {appointment}", "when is my next {appointment}",
        "where is my {appointment} {when}", "am i free {when}", "what do i have planned {when}",
        "schedule {appointment} with {friend} {when}", "cancel my {appointment}", "remind me to {errand}",
        "what are my reminders {when}", "set an alarm for {number} am", "set a timer for {number} minutes",
        "turn {onoff} the {gadget}", "switch {onoff} my {gadget}", "make it {brighter}", "play {music}",
        "play some {music}", "skip this song", "what song is this", "turn the volume up", "call {friend}",
        "text {friend} that i'm late", "send a message to {friend}", "where did i put my {belonging}",
        "find my {belonging}", "where am i", "what is my location", "share my location with {friend}",
        "what's my name", "what do you call me", "what is my {account} balance",
        "how much money is in my {account}", "how much have i spent on {spending} {lately}",
        "show my {account} transactions", "what was my last {purchase}", "what is my {account} limit",
        "what's my credit score", "how much do i owe on my {bill}", "when is my {bill} due", "pay my {bill}",
        "transfer {number} {money} to {friend}", "what's the minimum payment on my {bill}",
        "how many reward points do i have", "freeze my {account}", "has my {parcel} shipped",
        "where is my {parcel}", "when will my {parcel} arrive", "track my {parcel}",
        "did my {paper} get approved", "how many vacation days do i have left",
        "how many sick days have i used", "when is payday", "what was on my last paycheck",
        "when do i get paid", "is my {belonging} due for service", "how much gas do i have left",
        "what is my tire pressure", "book me a table at {shop} {when}", "confirm my reservation",
        "change my {setting}", "what's my {setting}", "who liked my {post}", "who commented on my {post}",
        "post this to my feed", "how many followers do i have", "whose birthday is {when}",
        "any updates on my {feed}", "how many steps did i walk {when}", "how did i sleep",
        "what's my heart rate", "order {item} for me", "reorder my usual", "order me a ride to {place}",
        "do we need {item}", "what did i ask you {lately}", "repeat that", "what's next on my {store}",
    ),
}  # fmt: skip

_SLOTS: Mapping[str, str] = {
    "ask": "what is|what's|tell me|show me|give me|check|how is|can you tell me|i want to know|look up",
    "where": "|in {place}|here|outside|in my area|near me|in {place}|around {place}",
    "when": (
        "|today|tomorrow|tonight|this weekend|on monday|right now|this afternoon|next week|this week|"
        "yesterday|now"
    ),
    "rain": "rain|snow|be sunny|be windy|storm|clear up|get colder",
    "gear": "an umbrella|a jacket|sunglasses|a coat|boots",
    "hot": "hot|cold|warm|windy|humid",
    "place": (
        "berlin|london|new york|lagos|japan|brazil|kenya|texas|paris|the airport|germany|india|canada|oslo|"
        "chicago|mexico|work|downtown|spain|italy|australia|california|china|the university"
    ),
    "trouble": "an accident|a jam|a delay|construction|heavy traffic",
    "road": "highway|interstate|main road|bridge|ring road|i-{number}",
    "stock": (
        "apple|gold|tesla|oil|amazon stock|microsoft shares|silver|the dow|bitcoin|google|nike stock"
    ),
    "money": "dollars|euros|yen|pounds|pesos|rupees|francs|dollar|euro|yuan|won|rubles",
    "number": "two|five|ten|forty|12|7|150|3|nine|300|eighteen|20|64|one hundred|65",
    "few": "1|2|3|4|5|6|7|8|9|11|13",
    "topic": (
        "|about politics|on the election|in sports|from {place}|about {company}|in {place}|on the economy"
    ),
    "fresh": "latest|newest|most recent|current|last",
    "affair": "the elections|the war|the economy|the strike|the trial|the storm",
    "team": (
        "the lions|arsenal|the yankees|the lakers|barcelona|the bears|chelsea|the dodgers|ferrari|"
        "the patriots"
    ),
    "league": (
        "world cup|super bowl|champions league|nba finals|wimbledon|formula one|world series|"
        "tour de france|stanley cup|olympics|premier league|masters"
    ),
    "shop": (
        "the bank|walmart|the pharmacy|the library|the steakhouse|target|the post office|the italian place"
    ),
    "venue": "gas station|restaurant|coffee shop|atm|hospital|pizza place|parking|hotels",
    "channel": "tv|netflix|channel {few}|the radio|espn",
    "flight": "{number}|ba 117|lh 400|dl 52|ua 9",
    "vehicle": "bus|train|ferry|subway",
    "feast": "christmas|easter|thanksgiving|ramadan|mother's day|halloween|new year|labor day|diwali",
    "service": "youtube|twitter|instagram|github|the website|netflix|facebook|tiktok|spotify",
    "product": (
        "iphone|playstation|a big mac|a tesla|the new galaxy|a flight to {place}|pixel phone|graphics card"
    ),
    "office": (
        "president|prime minister|mayor|governor|king|ceo|chancellor|foreign minister|head|speaker|"
        "chairman|chief"
    ),
    "company": (
        "microsoft|ford|ibm|the red cross|toyota|google|siemens|starbucks|nestle|the world bank|walmart|"
        "disney"
    ),
    "person": (
        "taylor swift|elon musk|tom hanks|lionel messi|serena williams|brad pitt|oprah|adele|"
        "lewis hamilton|stephen king|madonna|kylian mbappe|beyonce|rihanna"
    ),
    "dead": "mozart|shakespeare|napoleon|elvis presley|gandhi|einstein|picasso",
    "works": "albums|movies|books|songs|episodes|novels",
    "work": "album|movie|book|song|novel|film",
    "made": "made|released|written|published|recorded",
    "prizes": (
        "titles|grammys|oscars|gold medals|championships|goals|home runs|points|subscribers|rings|"
        "nobel prizes"
    ),
    "prize": (
        "the ballon d'or|an oscar|the nobel peace prize|best picture|a grammy|the golden boot|miss universe"
    ),
    "region": "country|city|state|continent",
    "most": (
        "largest|tallest|richest|oldest|most expensive|fastest|longest|biggest|most popular|youngest|"
        "highest paid|second largest|most visited"
    ),
    "thing": (
        "building|city|company|airport|stadium|economy|bridge|bank|university|car|ship|mall|army|hotel"
    ),
    "human": (
        "person|actor|president|woman in space|player|youtuber|billionaire|athlete|tennis player|singer"
    ),
    "feat": (
        "most goals in a season|the marathon|the 100 meter dash|most passing yards|the longest jump|"
        "most wins|the highest score|most points in a game"
    ),
    "achieve": "walk on the moon|win a triple crown|win three titles in a row|score in every game",
    "achieved": "run a mile in under four minutes|climbed it without oxygen|won it twice|lived past 120",
    "show": (
        "the crown|stranger things|the office|doctor who|the simpsons|bake off|the walking dead|top gear"
    ),
    "software": "python|android|windows|django|ios|ubuntu|java|postgres|chrome",
    "deed": (
        "gambling|driving|smoking|voting|abortion|drinking|speeding|same sex marriage|"
        "fishing without a permit"
    ),
    "countries": (
        "are in the european union|are in nato|recognise palestine|use the euro|have nuclear weapons"
    ),
    "ranking": "education|happiness|the world rankings|gdp|the charts|the fifa rankings|tennis",
    "position": "quarterback|goalkeeper|striker|point guard|shortstop",
    "event": (
        "the queen die|the war start|the bridge open|the eruption|the company go public|the last eclipse"
    ),
    "word": (
        "serendipity|gratitude|hello|ubiquitous|good morning|necessary|library|entropy|please|egregious|"
        "thank you"
    ),
    "language": "french|spanish|german|japanese|italian|latin|hindi|korean",
    "unit": (
        "ounces|grams|miles|kilometers|cups|inches|feet|liters|gallons|pounds|centimeters|tablespoons|"
        "meters"
    ),
    "food": (
        "rice|pancakes|chicken soup|eggs|lasagna|bread|lentils|salmon|potatoes|apple pie|curry|a steak|"
        "avocado"
    ),
    "work_of_old": "hamlet|don quixote|the mona lisa|moby dick|war and peace|the iliad|guernica|faust",
    "machine": (
        "a telephone|a diesel engine|a refrigerator|the light bulb|a transistor|a vaccine|a printing press|"
        "radar"
    ),
    "old_event": (
        "rome fall|the first world war begin|the titanic sink|columbus sail|the berlin wall fall|"
        "the french revolution start|man land on the moon|the roman empire collapse|"
        "india become independent"
    ),
    "year": "1950|1912|1848|2004|1776|1999|2010|1963|2016|1889",
    "film": "jaws|casablanca|the godfather|star wars|the lion king|titanic|psycho|gladiator",
    "science": (
        "photosynthesis|ohm's law|gravity|dna|inflation theory|a prime number|mitosis|the water cycle|"
        "supply and demand|relativity|a noun|recursion|democracy"
    ),
    "phenomenon": (
        "is the sky blue|do cats purr|do leaves change color|is the sea salty|do we dream|does ice float"
    ),
    "illness": "diabetes|the flu|anemia|a migraine|asthma|a stroke|measles",
    "task": (
        "reset my password|learn guitar|open a savings account|change a tire|lose weight|"
        "improve my credit score|activate my card|get a passport|cancel my subscription|dispute a charge|"
        "sort a list in python|jump start my car|remove a stain|apply for a loan|transfer money abroad|"
        "update my address|prepare for an interview|fix a leaky tap|get a refund|top up my account|"
        "verify my identity|set up direct deposit|roll over my old pension|report a lost card|"
        "become a teacher|check my oil|start a business|stop snoring|delete my account|order a new card"
    ),
    "mishap": (
        "i lost my card|my phone got wet|my payment was declined|i forgot my pin|my card was stolen|"
        "my car won't start|the app keeps crashing|a cash machine kept my card|i was charged twice|"
        "i missed a flight"
    ),
    "grievance": (
        "was my card declined|is my transfer still pending|was i charged a fee|doesn't my top up work|"
        "is my refund not there yet|hasn't my card arrived|did my payment get rejected|can't i log in"
    ),
    "activity": "yoga|running|meditation|chess|swimming|journaling|intermittent fasting",
    "abbreviation": "nasa|html|asap|fifa|apr|gdp|http|ira",
    "finance": (
        "mortgage|hedge fund|credit card|pension|bond|roth ira|stock option|index fund|dividend|"
        "interest rate|checking account"
    ),
    "animal": "cats|penguins|whales|spiders|elephants|tortoises|bees",
    "landmark": "eiffel tower|taj mahal|golden gate bridge|great pyramid|mount everest|statue of liberty",
    "planet": "earth|moon|planet mars|comet",
    "substance": "water|iron|glass|bleach|mercury|plastic|salt",
    "store": (
        "calendar|to do list|shopping list|schedule|grocery list|agenda|reminder list|list of chores"
    ),
    "item": "milk|eggs|laundry|batteries|bread|sweep the floor|a birthday card",
    "note": "new emails|messages|unread mail|notifications|missed calls|texts|voicemails|emails",
    "friend": "john|my boss|mom|sarah|my brother|the office|anna",
    "reply": "email me|write back|call|text me|reply",
    "replied": "replied|called me|sent anything|written|accepted my invite",
    "appointment": (
        "a meeting|a dentist appointment|any appointments|my next call|an interview|lunch|class|meeting"
    ),
    "errand": "water the plants|call mom|pay rent|pick up the kids|take my pills",
    "onoff": "on|off",
    "gadget": "lights|kitchen light|heating|coffee maker|vacuum|tv|fan|thermostat|oven",
    "brighter": "brighter|warmer in here|quieter|louder|darker",
    "music": (
        "jazz|my workout playlist|the next song|my favorite song|some beethoven|the news podcast|"
        "the beatles|an audiobook"
    ),
    "belonging": "phone|keys|car|wallet|tablet",
    "account": "checking account|bank account|savings|credit card|account",
    "spending": "food|gas|groceries|clothes|travel|eating out",
    "lately": "this month|last week|lately|yesterday|this year|in may",
    "purchase": "purchase|transaction|payment|order",
    "bill": "electric bill|phone bill|water bill|credit card bill|rent|car insurance bill",
    "parcel": "package|order|new card|delivery|luggage|refund",
    "paper": "vacation request|loan application|time off|expense report",
    "setting": "user name|language setting|wake up time|pin number|accent|plan|nickname",
    "post": "photo|last post|status|tweet|video",
    "feed": "facebook|twitter|instagram|feed",
}  # fmt: skip

_SLOT = re.compile(r"\{(\w+)\}")


def template_questions(*, per_template: int, seed: int) -> Iterator[tuple[Kind, str]]:
    """Yield questions of each kind, at most `per_template` different ones of each template."""
    chance = random.Random(seed)  # noqa: S311 (nothing secret)
    slots = {name: row.split("|") for name, row in _SLOTS.items()}
    for kind, templates in TEMPLATES.items():
        for template in templates:
            filled = {_filled(template, slots, chance) for _ in range(per_template)}
            yield from ((kind, text) for text in sorted(filled))


def _filled(template: str, slots: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    text = template
    while _SLOT.search(text):
        text = _SLOT.sub(lambda slot: chance.choice(slots[slot[1]]), text)
    return " ".join(text.split())
