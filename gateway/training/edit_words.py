"""Word lists for edits of questions: names, sorts of things, synonyms. Written by hand; pure data."""

# ruff: noqa: SIM905, E501 (word lists are read and edited as text, a sort a line)

FIRST_NAMES = (
    "Anna Ben Carla David Elena Frank Grace Henry Irene James Karen Liam Maria Nathan Olivia Peter Quinn Rachel "
    "Simon Teresa Victor Wendy Xavier Yasmin Zach Alice Bob Chloe Daniel Emma Felix Gina Hugo Ivy Jack Kim Laura "
    "Mark Nina Oscar Paula Ravi Sofia Tom Ursula Vera Will Amir Bianca Chen Diego Fatima Hassan Ingrid Jorge "
    "Keiko Luca Mei Noor Omar Priya Rosa Sven Tariq Yuki"
).split()
LAST_NAMES = (
    "Adams Baker Carter Davis Edwards Fisher Garcia Harris Ivanov Johnson Khan Lopez Miller Nelson Olsen Patel "
    "Rossi Smith Taylor Ueda Vargas Walker Young Zhang Anderson Brown Clark Evans Foster Green Hughes Kelly Lewis "
    "Moore Novak Owens Price Reed Scott Turner Wright Hall Kaur Lee Martin Nguyen Park Silva Weber"
).split()

#: Each line: things of one sort. One for another makes another question.
SORTS = tuple(
    tuple(item.strip() for item in line.split(","))
    for line in """
India, China, Japan, Germany, France, Spain, Italy, Canada, Mexico, Brazil, Argentina, Chile, Peru, Russia, Turkey, Egypt, Nigeria, Kenya, Ghana, Morocco, Pakistan, Bangladesh, Nepal, Thailand, Vietnam, Indonesia, Malaysia, Singapore, Australia, New Zealand, Poland, Sweden, Norway, Denmark, Finland, Greece, Portugal, Ireland, Austria, Belgium, Hungary, Israel, Iran, Iraq, Saudi Arabia, South Africa, Ethiopia, Colombia, Cuba, Ukraine, Romania, Switzerland, Netherlands
London, Paris, Rome, Berlin, Madrid, Vienna, Lisbon, Dublin, Athens, Oslo, Stockholm, Moscow, Istanbul, Cairo, Dubai, Mumbai, Delhi, Bangalore, Chennai, Hyderabad, Pune, Kolkata, Tokyo, Osaka, Seoul, Beijing, Shanghai, Sydney, Melbourne, Toronto, Vancouver, Chicago, Boston, Seattle, Denver, Houston, Dallas, Miami, Atlanta, Phoenix, San Francisco, Los Angeles, New York, Manila, Bangkok, Nairobi, Lagos
California, Texas, Florida, Ohio, Georgia, Virginia, Oregon, Nevada, Arizona, Colorado, Michigan, Illinois, Indiana, Kansas, Utah, Iowa, Maine, Alaska, Hawaii, Montana
American, British, Chinese, Japanese, German, French, Spanish, Italian, Indian, Russian, Mexican, Canadian, Brazilian, Australian, Korean, Turkish, Greek, Dutch, Swedish, Polish, Irish, Egyptian, Thai
English, Spanish, French, German, Italian, Portuguese, Hindi, Arabic, Mandarin, Japanese, Korean, Latin, Russian, Swahili, Tamil, Urdu, Bengali
Europe, Asia, Africa, South America, North America, Antarctica, Oceania
Earth, Mars, Venus, Jupiter, Saturn, Mercury, Neptune, Uranus, the Moon, the Sun
Python, Java, JavaScript, TypeScript, Ruby, Go, Rust, Kotlin, Swift, PHP, Perl, Scala, Haskell, C++, C#, MATLAB, R
Django, Flask, Rails, Laravel, Spring, Express, FastAPI, React, Angular, Vue, Svelte
MySQL, PostgreSQL, MongoDB, Redis, SQLite, Oracle, Cassandra, MariaDB, DynamoDB
Windows, Linux, macOS, Ubuntu, Android, iOS, Debian, Fedora, Chrome OS
AWS, Azure, Google Cloud, Heroku, DigitalOcean
Git, Mercurial, Subversion, Docker, Kubernetes, Podman, Terraform, Ansible, Jenkins
Word, Excel, PowerPoint, Outlook, Access, OneNote, Photoshop, Illustrator
Chrome, Firefox, Safari, Edge, Opera
iPhone, iPad, MacBook, Kindle, Galaxy, Pixel, Xbox, PlayStation, laptop, tablet, printer, router, smartwatch
Google, Microsoft, Apple, Amazon, Facebook, Netflix, Tesla, IBM, Oracle, Intel, Samsung, Sony, Uber, Airbnb, Spotify
Facebook, Instagram, Twitter, WhatsApp, Snapchat, LinkedIn, Gmail, YouTube, Reddit, Quora, TikTok, Telegram, Skype, Pinterest, Tinder
JSON, XML, CSV, YAML, PDF, HTML, PNG, JPEG, GIF, MP3, MP4, WAV, ZIP, DOCX
list, dictionary, tuple, set, string, array, queue, stack, tree, graph, matrix
integer, float, boolean, string, byte
HTTP, FTP, SSH, SMTP, TCP, UDP, DNS, TLS
football, basketball, tennis, cricket, golf, hockey, baseball, rugby, volleyball, swimming, boxing, chess, badminton
piano, guitar, violin, drums, flute, saxophone, cello, trumpet, ukulele
red, blue, green, yellow, black, white, purple, orange, pink, brown, grey
dog, cat, horse, rabbit, hamster, parrot, goldfish, turtle, snake, cow, pig, goat, sheep, chicken, duck
lion, tiger, bear, wolf, elephant, giraffe, monkey, kangaroo, whale, shark, dolphin, eagle, owl, penguin
apple, banana, orange, mango, grape, strawberry, pineapple, peach, pear, cherry, lemon, watermelon
chicken, beef, pork, fish, salmon, shrimp, lamb, turkey, tofu, bacon, eggs
rice, pasta, bread, potatoes, noodles, oats, quinoa, beans, lentils
carrot, onion, garlic, tomato, spinach, broccoli, cabbage, cucumber, pumpkin
tea, coffee, milk, water, beer, wine, vodka, whiskey, juice, soda
butter, oil, sugar, salt, honey, vinegar, flour, cheese, cream, yogurt
Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday
January, February, March, April, June, July, August, September, October, November, December
spring, summer, autumn, winter
morning, afternoon, evening, night
minutes, hours, days, weeks, months, years, seconds
minute, hour, day, week, month, year
daily, weekly, monthly, yearly
miles, kilometers, meters, feet, inches, yards
kilograms, pounds, grams, ounces, tons
liters, gallons, cups, pints, milliliters
Celsius, Fahrenheit, Kelvin
dollars, euros, pounds, rupees, yen, pesos, francs
diabetes, asthma, cancer, malaria, flu, pneumonia, arthritis, migraine, depression, anemia, hepatitis, measles, eczema, epilepsy
ibuprofen, aspirin, paracetamol, amoxicillin, metformin, insulin, antibiotics, antihistamines, steroids, vitamins
headache, fever, cough, rash, nausea, fatigue, dizziness, insomnia, diarrhea, constipation
heart, liver, kidney, lung, stomach, brain, skin, knee, shoulder, back, neck, eye, ear, ankle, wrist
adults, children, infants, toddlers, teenagers, seniors, pregnant women, beginners, men, women
doctor, nurse, lawyer, teacher, engineer, accountant, pilot, architect, plumber, electrician, dentist, journalist, programmer, actor, chef, pharmacist
physics, chemistry, biology, history, geography, mathematics, economics, psychology, philosophy, statistics, astronomy, geology
algebra, calculus, geometry, trigonometry, probability
gold, silver, copper, iron, aluminum, zinc, platinum, lead, nickel
oxygen, hydrogen, nitrogen, carbon, helium, sodium, chlorine, potassium
car, truck, motorcycle, bicycle, bus, train, plane, boat, scooter
kitchen, bathroom, bedroom, garage, basement, garden, attic
shirt, jacket, shoes, jeans, dress, hat, socks, gloves
password, username, email address, phone number, profile picture, billing address, shipping address
credit card, debit card, gift card, bank account, PayPal
order, subscription, account, invoice, payment, refund, booking, reservation, appointment
visa, passport, driving license, work permit, birth certificate
basic, standard, premium, enterprise
mother, father, brother, sister, uncle, aunt, cousin, son, daughter, grandmother, grandfather
Christian, Muslim, Jewish, Hindu, Buddhist, Sikh, atheist
college, high school, university, kindergarten
bachelor's, master's, PhD
Bitcoin, Ethereum, Litecoin, Dogecoin
stocks, bonds, mutual funds, real estate, gold
president, prime minister, king, mayor, governor, vice president, chancellor
capital, population, area, currency, language, flag, president, climate, economy, religion, history, anthem
author, director, publisher, editor, producer, composer
height, weight, length, width, depth, volume, mass, density, speed, age
symptoms, causes, treatment, diagnosis, prevention, complications, side effects
price, cost, size, color, weight, warranty, delivery time
read, write, delete, copy, move, rename, print, edit, sort, merge, split
open, install, update, remove, reset, configure, repair, clean, sell, rent, build, paint, buy
cook, bake, fry, boil, grill, steam, freeze, peel
bark, bite, sleep, eat, run, jump, swim
nouns, verbs, adjectives, adverbs, pronouns
mean, median, mode, variance, range, maximum, minimum
sum, product, difference, quotient
oldest, newest, largest, cheapest, fastest, longest, tallest, best, worst, smallest
wrong, legal, safe, normal, dangerous, healthy, common, necessary, possible, acceptable, rude
movie, song, book, game, show, poem, podcast
""".strip().splitlines()
)

#: Each line: words that ask the same in most questions.
SYNONYMS = tuple(
    tuple(item.strip() for item in line.split(","))
    for line in """
buy, purchase
start, begin
stop, quit
quickly, fast, rapidly
large, big
happy, joyful, glad
smart, intelligent, clever
angry, furious, mad
scared, afraid, frightened
sad, unhappy
rich, wealthy
hard, difficult, tough
easy, simple
important, crucial, vital
fix, repair
get, obtain
help, assist
need, require
improve, enhance
increase, boost, raise
reduce, decrease, lower
choose, pick, select
job, occupation
movie, film
picture, photo, image
phone, telephone
car, automobile
kids, children
doctor, physician
lawyer, attorney
house, home
store, shop
company, firm
teacher, instructor
trip, journey
error, mistake
method, technique
way, method
reason, cause
benefits, advantages
drawbacks, disadvantages
difference, distinction
meaning, definition
idea, concept
purpose, goal
answer, reply, response
delete, remove, erase
create, make
build, construct
change, modify, alter
show, display
use, utilize
try, attempt
find, locate
learn, study
explain, describe
understand, comprehend
allow, permit
forbid, prohibit
believe, think
happen, occur
end, finish
earn, make
lose weight, shed weight
cheap, inexpensive
expensive, costly
beautiful, pretty
strange, weird, odd
famous, well-known
popular, well liked
dangerous, hazardous
healthy, wholesome
religious, spiritual
lazy, idle
brave, courageous
shy, timid
polite, courteous
rude, impolite
tired, exhausted
sick, ill
best, finest
main, primary
common, usual
enough, sufficient
whole, entire
often, frequently
almost, nearly
approximately, roughly, about
maybe, perhaps
also, too
currently, at present
annually, yearly
per day, a day
laptop, notebook computer
sign up, register
log in, sign in
cancel, call off
set up, configure
turn on, switch on
turn off, switch off
get rid of, eliminate
find out, discover
throw away, discard
look for, search for
good, decent
boss, manager
salary, pay, wage
money, cash
illness, disease
medicine, medication
cure, remedy
pain, ache
kitty, cat
puppy, young dog
USA, United States, US
UK, United Kingdom
NYC, New York City
TV, television
info, information
app, application
math, maths, mathematics
programming, coding
website, web site, site
email, e-mail
color, colour
favorite, favourite
center, centre
organize, organise
traveling, travelling
license, licence
JavaScript, JS
machine learning, ML
artificial intelligence, AI
for free, at no cost
how long, how much time
children, kids
each, every
""".strip().splitlines()
)

#: Traits by pairs of opposites: "more humble" asks for the same as "less proud".
TRAITS = tuple(
    tuple(side.split() for side in line.split("|"))
    for line in """
    humble modest | proud arrogant
    brave courageous | cowardly timid
    calm relaxed | nervous anxious
    happy joyful | sad unhappy
    organized tidy | messy disorganized
    patient tolerant | impatient intolerant
    polite courteous | rude impolite
    generous giving | greedy stingy
    active energetic | passive lazy
    optimistic hopeful | pessimistic hopeless
    confident | insecure
    careful cautious | careless reckless
    flexible | rigid stubborn
    honest truthful | dishonest
    productive | unproductive
    social outgoing | shy withdrawn
    mature | immature childish
    kind friendly | mean unfriendly
    strong | weak
    healthy fit | unhealthy
    """.strip().splitlines()
)

#: Who does what to what, and its participle: all may be said of both sides.
DEEDS = tuple(
    line.split()
    for line in """
    buy bought
    see seen
    paint painted
    find found
    remember remembered
    notice noticed
    follow followed
    help helped
    call called
    blame blamed
    visit visited
    defend defended
    choose chosen
    hire hired
    attack attacked
    warn warned
    beat beaten
    teach taught
    invite invited
    praise praised
    protect protected
    replace replaced
    sell sold
    leave left
    keep kept
    accept accepted
    want wanted
    miss missed
    own owned
    lose lost
    love loved
    hate hated
    return returned
    take taken
    """.strip().splitlines()
)
OBJECTS = "house car shop school hotel company farm garden museum ship library bank factory church bridge ticket phone".split()
ADDITIONS = (
    "in India", "in Germany", "in Canada", "in the UK", "for free", "without a degree", "for beginners", "for children",
    "on Linux", "on an iPhone", "on Windows", "on Android", "in Python", "in Java", "with Excel", "in 2010", "in 2022",
    "after 40", "during pregnancy", "at night", "in winter", "without money", "without internet", "for a wedding",
    "at home", "in space", "for seniors", "with diabetes", "for dogs", "under water", "by train", "as a student",
    "without experience", "from abroad", "before surgery", "in the morning", "on weekends", "in one day", "in a week",
    "without an account", "on a Mac", "with two factor login", "over the phone", "by email", "as a teenager",
)  # fmt: skip
MODIFIERS = (
    "American black former female young old digital electric wooden Chinese average famous professional retired "
    "cheap expensive wild organic used military medical legal private public foreign rural vegan married single "
    "national local junior senior French fake blind left-handed part-time amateur corrupt successful"
).split()
