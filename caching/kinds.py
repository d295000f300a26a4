"""Things of one kind, of which a question about one never answers a question about another. Pure; in English.

Names that most languages write alike (countries, products, programming languages) are known in those too.
"""

import re
from collections import defaultdict

from caching.stems import are_comparable, stem_of, words_of

#: Kinds parted by `;`, things by commas, other names of one thing by `=`; `_` joins the words of a name.
_KINDS = """
usa=america=american=united_states, canada=canadian, mexico=mexican, brazil=brazilian,
argentina=argentine=argentinian, chile=chilean, peru=peruvian, colombia=colombian, venezuela=venezuelan,
ecuador=ecuadorian, bolivia=bolivian, uruguay, paraguay, cuba=cuban, jamaica=jamaican, haiti=haitian,
panama, costa_rica, guatemala=guatemalan, honduras, nicaragua,
britain=british=united_kingdom=great_britain=england=english=uk, scotland=scottish=scots, wales=welsh,
ireland=irish, france=french, germany=german, spain=spanish=spaniard, portugal=portuguese, italy=italian,
greece=greek, turkey=turkish=turk, netherlands=dutch=holland, belgium=belgian, luxembourg,
switzerland=swiss, austria=austrian, poland=polish=pole, czech=czechia, slovakia=slovak,
hungary=hungarian, romania=romanian, bulgaria=bulgarian, serbia=serbian, croatia=croatian,
slovenia=slovenian, bosnia=bosnian, albania=albanian, macedonia, kosovo, norway=norwegian,
sweden=swedish=swede, denmark=danish=dane, finland=finnish, iceland=icelandic, estonia=estonian,
latvia=latvian, lithuania=lithuanian, ukraine=ukrainian, belarus=belarusian, moldova, russia=russian,
georgia=georgian, armenia=armenian, azerbaijan=azeri, kazakhstan=kazakh, uzbekistan=uzbek,
afghanistan=afghan, pakistan=pakistani, india=indian, bangladesh=bangladeshi, nepal=nepali=nepalese,
bhutan, sri_lanka=sri_lankan, myanmar=burma=burmese, thailand=thai, vietnam=vietnamese,
cambodia=cambodian, laos, malaysia=malaysian, singapore=singaporean, indonesia=indonesian,
philippines=filipino=philippine, china=chinese, taiwan=taiwanese, hong_kong, japan=japanese,
korea=korean=south_korea=north_korea, mongolia=mongolian, australia=australian=aussie, new_zealand=kiwi,
fiji, samoa, iran=iranian=persia=persian, iraq=iraqi, syria=syrian, lebanon=lebanese, israel=israeli,
palestine=palestinian, jordan=jordanian, saudi_arabia=saudi, yemen=yemeni, oman=omani, qatar=qatari,
kuwait=kuwaiti, bahrain, dubai=uae=emirates=emirati=abu_dhabi, egypt=egyptian, libya=libyan,
tunisia=tunisian, algeria=algerian, morocco=moroccan, sudan=sudanese, ethiopia=ethiopian, eritrea,
somalia=somali, kenya=kenyan, uganda=ugandan, tanzania=tanzanian, rwanda=rwandan, congo=congolese,
nigeria=nigerian, ghana=ghanaian, senegal, mali, cameroon, angola, zambia, zimbabwe, botswana, namibia,
mozambique, madagascar, south_africa=south_african, togo, benin, niger, chad, gambia, liberia,
sierra_leone, ivory_coast, mauritania, mauritius, seychelles, maldives, palau, tonga, vanuatu,
malta=maltese, cyprus=cypriot, greenland, dominican_republic, puerto_rico, bahamas, barbados, trinidad,
belize, el_salvador, guyana, suriname, brunei, east_timor, papua_new_guinea, monaco, liechtenstein,
andorra, san_marino, montenegro, turkmenistan, kyrgyzstan, tajikistan, gabon, malawi, lesotho, burundi,
djibouti;
europe=european, asia=asian, africa=african, antarctica, north_america, south_america, oceania;
london, paris, berlin, rome, madrid, lisbon, vienna, prague, budapest, warsaw, moscow, athens, dublin,
amsterdam, brussels, zurich, geneva, munich, hamburg, frankfurt, cologne, milan, venice, florence, naples,
barcelona, seville, valencia, stockholm, oslo, copenhagen, helsinki, istanbul, ankara, kyiv=kiev,
edinburgh, glasgow, manchester, birmingham, liverpool, leeds, bristol,
new_york=nyc=manhattan=new_york_city, los_angeles, chicago, houston, phoenix, philadelphia, san_antonio,
san_diego, dallas, san_jose, austin, san_francisco, seattle, denver, boston, detroit, nashville, portland,
las_vegas=vegas, miami, atlanta, minneapolis, cleveland, orlando, tampa, pittsburgh, cincinnati,
sacramento, salt_lake_city, new_orleans, baltimore, charlotte, honolulu, toronto, vancouver, montreal,
calgary, ottawa, edmonton, mexico_city, havana, bogota, lima, santiago, buenos_aires, rio_de_janeiro,
sao_paulo, caracas, cairo, lagos, nairobi, johannesburg, cape_town, casablanca, addis_ababa, accra, tokyo,
osaka, kyoto, seoul, busan, beijing=peking, shanghai, shenzhen, guangzhou, taipei, bangkok, hanoi,
saigon=ho_chi_minh, kuala_lumpur, jakarta, bali, manila, delhi=new_delhi, mumbai=bombay,
bangalore=bengaluru, chennai=madras, kolkata=calcutta, hyderabad, pune, ahmedabad, jaipur, lucknow,
kanpur, nagpur, indore, bhopal, surat, goa, kochi=cochin, chandigarh, gurgaon=gurugram, noida, mysore,
karachi, lahore, islamabad, dhaka, colombo, kathmandu, kabul, tehran, baghdad, damascus, beirut,
jerusalem, tel_aviv, riyadh, jeddah, mecca, medina, doha, sydney, melbourne, brisbane, perth, auckland,
wellington;
alabama, alaska, arizona, arkansas, california=californian, colorado, connecticut, delaware, florida,
hawaii, idaho, illinois, indiana, iowa, kansas, kentucky, louisiana, maine, maryland, massachusetts,
michigan, minnesota, mississippi, missouri, montana, nebraska, nevada, new_hampshire, new_jersey,
new_mexico, north_carolina, north_dakota, ohio, oklahoma, oregon, pennsylvania, rhode_island,
south_carolina, south_dakota, tennessee, texas=texan, utah, vermont, virginia, west_virginia, wisconsin,
wyoming;
kerala, tamil_nadu, karnataka, maharashtra, gujarat, rajasthan, punjab, haryana, uttar_pradesh, bihar,
odisha=orissa, assam, telangana, andhra_pradesh, kashmir, jharkhand, sikkim, uttarakhand, west_bengal;
hindi, tamil, telugu, kannada, malayalam, marathi, bengali=bangla, punjabi, gujarati, urdu, sanskrit,
arabic, hebrew, latin, mandarin, cantonese, swahili, esperanto;
mercury, venus, mars=martian, jupiter, saturn, uranus, neptune, pluto;
moon=lunar, sun=solar;
christian=christianity, islam=muslim=islamic, hindu=hinduism, buddhist=buddhism, jew=jewish=judaism,
sikh=sikhism, jain=jainism, mormon, atheist=atheism;
catholic=catholicism, protestant=protestantism, orthodox;
sunni, shia=shiite;
bible, quran=koran, torah;
python=py, java, javascript=js, typescript, ruby, php, perl, rust, golang, scala, kotlin, haskell, erlang,
elixir, clojure, matlab, fortran, cobol, lua, julia, bash, powershell, cplusplus, csharp, fsharp, vba;
django, flask, fastapi, rails, laravel, spring, express, nextjs, symfony;
react=reactjs, angular=angularjs, vue=vuejs, svelte, jquery, ember;
mysql, postgresql=postgres, sqlite, oracle, mongodb=mongo, redis, cassandra, mariadb, dynamodb,
elasticsearch, snowflake, bigquery, neo4j;
linux, windows, macos=osx=mac=macbook, chromeos, freebsd;
ubuntu, debian, fedora, centos, redhat, archlinux, mint, kali;
android, ios, blackberry;
chrome, firefox, safari, edge, opera, brave, internet_explorer;
aws, azure, gcp=google_cloud, heroku, digitalocean, vercel;
docker, kubernetes, podman, vagrant;
git, svn, mercurial;
github, gitlab, bitbucket;
npm, yarn, pnpm, pip, conda, poetry;
tensorflow, pytorch, keras, jax;
pandas, numpy, scipy, sklearn, spark;
json, xml, yaml, csv, toml;
jpeg=jpg, png, gif, svg, bmp, webp, tiff;
mp3, wav, flac, aac, ogg;
mp4, avi, mkv, mov, webm;
doc=docx, pdf, txt, xls=xlsx, ppt=pptx, rtf;
html, css;
http, https, ftp, sftp, ssh, telnet, smtp, imap, pop3;
tcp, udp, icmp;
ipv4, ipv6;
usb, hdmi, vga, displayport, thunderbolt, ethernet, bluetooth, wifi=wi_fi;
ssd, hdd;
cpu, gpu, ram;
vim, emacs, nano, vscode, intellij, eclipse, pycharm, xcode, android_studio;
word, excel, powerpoint, outlook, onenote;
iphone, ipad, ipod, galaxy, pixel, kindle;
google, facebook, amazon, microsoft, apple, netflix, tesla, uber, airbnb, twitter, linkedin, instagram,
snapchat, tiktok, whatsapp, youtube, reddit, quora, pinterest, telegram, discord, slack, zoom, skype,
spotify, paypal, ebay, yahoo, ibm, intel, nvidia, samsung, sony, nokia, motorola, xiaomi, huawei, oneplus,
lenovo, dell, hp, asus, acer, toshiba, flipkart, snapdeal, paytm, infosys, tcs, wipro, accenture,
deloitte, kpmg, pwc, mckinsey, adobe, salesforce, cisco, qualcomm, walmart, ikea, starbucks, mcdonalds,
toyota, honda, ford, bmw, audi, mercedes, volkswagen, hyundai, nissan, mazda, volvo, porsche, ferrari,
boeing, airbus, mastercard, amex=american_express, nike, adidas, puma, shopify, openai, anthropic, gmail,
hotmail, icloud, dropbox, venmo, klarna, revolut, monzo, coinbase, binance, jio, airtel, vodafone,
verizon, comcast;
playstation=ps4=ps5, xbox, nintendo, wii;
siri, alexa, cortana;
bitcoin, ethereum, litecoin, dogecoin, monero, ripple, solana;
harvard, stanford, mit, yale, princeton, oxford, cambridge, berkeley, columbia_university, caltech, iit,
nit, bits, iim;
gre, gmat, toefl, ielts, lsat, mcat, cat_exam, jee, neet, upsc, ssc;
mba, phd=doctorate, btech, mtech, bsc, msc, bba, mbbs;
mathematics=math=maths, physics, chemistry, biology, history, geography, economics, psychology,
philosophy, sociology, linguistics, astronomy, statistics;
algebra, geometry, calculus, trigonometry;
sine=sin, cosine=cos, tangent;
mean, median;
red, blue, green, yellow, orange, purple, pink, brown, black, white, grey=gray, violet, indigo, turquoise,
beige;
dog=puppy, cat=kitten, horse, cow, pig, sheep, goat, chicken, duck, goose, rabbit=bunny, hamster,
guinea_pig, parrot, snake, lizard, turtle, tortoise, frog, fish, shark, whale, dolphin, elephant, lion,
tiger, leopard, cheetah, bear, wolf, fox, deer, monkey, gorilla, chimpanzee, giraffe, zebra, kangaroo,
koala, panda, penguin, owl, eagle, crow, pigeon, spider, ant, bee, wasp, butterfly, mosquito, cockroach,
mouse, rat, squirrel, crocodile, alligator, octopus, lobster, crab;
apple, banana, mango, grape, strawberry, blueberry, pineapple, watermelon, peach, pear, cherry, lemon,
lime, papaya, kiwi_fruit, avocado, tomato, potato, onion, garlic, carrot, cucumber, spinach, broccoli,
cabbage, mushroom, pepper, pumpkin, lettuce;
beef, pork, lamb, mutton, salmon, tuna, shrimp, egg, tofu, rice, pasta, bread, cheese, butter, yogurt,
milk;
coffee, tea, beer, wine, vodka, whiskey=whisky, rum, gin, juice, soda;
sugar, salt, honey;
gold, silver, copper, iron, platinum, aluminium=aluminum, zinc, steel;
oxygen, hydrogen, nitrogen, helium, chlorine, fluorine, sodium, potassium, calcium, magnesium, phosphorus,
sulfur=sulphur, carbon, silicon, bromine, iodine, lithium, neon, argon, uranium;
football=soccer, cricket, tennis, basketball, baseball, hockey, golf, rugby, volleyball, badminton,
boxing, wrestling, swimming, chess, poker;
guitar, piano, violin, drum, flute, saxophone, trumpet, cello, ukulele;
knee, elbow, shoulder, ankle, wrist, hip, neck, spine, toe, finger, thumb, eye, ear, nose, tooth=teeth,
tongue, throat, liver, kidney, lung, heart, stomach, brain, skin, bladder, pancreas, breast, prostate,
thyroid, colon, uterus, ovary, foot=feet, hand, leg, arm;
diabetes=diabetic, asthma, cancer, hypertension, hypotension, arthritis, migraine, flu=influenza,
pneumonia, bronchitis, tuberculosis, malaria, dengue, typhoid, cholera, measles, mumps, rubella,
chickenpox, shingles, hiv=aids, herpes, chlamydia, gonorrhea, syphilis, hepatitis, anemia=anaemia,
leukemia=leukaemia, lymphoma, melanoma, eczema, psoriasis, acne, epilepsy, schizophrenia, bipolar, adhd,
autism, dementia, alzheimer=alzheimers, parkinson=parkinsons, stroke, covid=coronavirus, ebola, rabies,
tetanus, gout, lupus, osteoporosis, appendicitis, gastritis, ulcer, hernia;
ibuprofen=advil, paracetamol=acetaminophen=tylenol, aspirin, naproxen, codeine, morphine, tramadol,
oxycodone, amoxicillin, penicillin, azithromycin, doxycycline, ciprofloxacin, metformin, insulin,
lisinopril, amlodipine, losartan, atenolol, metoprolol, atorvastatin, simvastatin, omeprazole,
pantoprazole, levothyroxine, prednisone, prednisolone, warfarin, heparin, clopidogrel, sertraline=zoloft,
fluoxetine=prozac, citalopram, escitalopram=lexapro, bupropion, venlafaxine, diazepam=valium,
alprazolam=xanax, lorazepam, clonazepam, gabapentin, pregabalin, methotrexate, ritalin, adderall, viagra,
cialis;
boxer_dog, labrador, golden_retriever, german_shepherd, husky, rottweiler, pitbull=pit_bull, poodle,
bulldog, pug, chihuahua, beagle, dachshund, doberman;
primary_school=elementary_school, middle_school, high_school, kindergarten;
toddler, teenager=teen;
email_address=email=e_mail, phone_number=mobile_number, username=user_name, password=passcode,
mailing_address=postal_address=home_address, date_of_birth;
passport, driving_licence=driving_license=driver_license=drivers_license, visa;
credit_card, debit_card, prepaid_card, gift_card;
savings_account, checking_account=current_account;
nurse, doctor=physician, dentist, lawyer=attorney, engineer, teacher, accountant, architect, plumber,
electrician, carpenter, pilot, pharmacist, psychologist, psychiatrist, economist, journalist, actor,
singer, farmer, soldier, chef, photographer, programmer=developer;
gas, electric=electricity, diesel, petrol=gasoline, hybrid;
north, south, east, west;
morning, afternoon, evening, night;
hamlet, macbeth, othello;
gryffindor, slytherin, hufflepuff, ravenclaw;
batman, superman, spiderman, ironman;
pregnant=pregnancy, breastfeeding=lactation=breastfeed, menopause;
aries, taurus, gemini, leo, virgo, libra, scorpio, sagittarius, capricorn, aquarius, pisces
"""
_MOST_WORDS = 40
#: Words of a name.
_LONGEST = 3
#: Names that lower case or the loss of signs would turn into other words.
_SIGNED = re.compile(r"(?<![\w.])(?:(U\.?S\.?A?|U\.K)\b\.?|([CcFf])(\+\+|\#))")
_SIGNS = {"++": "plusplus", "#": "sharp"}


def kinds_clash(a: str, b: str) -> bool:
    """Whether each of two texts names a thing of one kind that the other doesn't: India, China.

    Longer texts mention things by the way: they are compared only if they differ in few words.
    """
    ours, theirs = things_of(a), things_of(b)
    if ours.keys().isdisjoint(theirs) or not are_comparable(words_of(a), words_of(b), _MOST_WORDS):
        return False
    return any(
        ours[kind] - theirs[kind] and theirs[kind] - ours[kind] for kind in ours.keys() & theirs.keys()
    )


def things_of(text: str) -> dict[int, set[str]]:
    """Return the things that a text names, by the number of their kind; other names of a thing are the same."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    stems = [stem_of(word) for word in words_of(_SIGNED.sub(_in_letters, text))]
    place = 0
    while place < len(stems):
        length = _longest_name(stems, place)
        for kind, thing in _THINGS.get(" ".join(stems[place : place + length]), ()):
            found[kind].add(thing)
        place += max(length, 1)
    return found


def _longest_name(stems: list[str], place: int) -> int:
    """Return of how many words a name is that begins here; 0 if none does."""
    if stems[place] not in _BEGINNINGS:
        return 0
    return next((n for n in range(_LONGEST, 0, -1) if " ".join(stems[place : place + n]) in _THINGS), 0)


def _in_letters(match: re.Match[str]) -> str:
    country, letter, signs = match.groups()
    if country:
        return "usa" if "S" in country else "uk"
    return letter + _SIGNS[signs]


def _read_kinds() -> dict[str, list[tuple[int, str]]]:
    things: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for kind, line in enumerate(" ".join(_KINDS.split()).split(";")):
        for thing in line.split(","):
            names = thing.strip().split("=")
            for name in {" ".join(map(stem_of, name.split("_"))) for name in names}:
                things[name].append((kind, names[0]))
    return dict(things)


_THINGS = _read_kinds()
_BEGINNINGS = frozenset(name.split(" ")[0] for name in _THINGS)
