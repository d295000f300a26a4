"""A hundred pairs of questions of our own, of every kind that the decision tells apart."""

_TOPICS = (
    ("boil an egg", "poach an egg"),
    ("reset a router", "replace a router"),
    ("prune a rose bush", "plant a rose bush"),
    ("sharpen a kitchen knife", "store a kitchen knife"),
    ("tune a guitar", "string a guitar"),
    ("remove a wine stain", "remove a grass stain"),
    ("bake sourdough bread", "bake banana bread"),
    ("fold a paper crane", "fold a paper boat"),
    ("waterproof leather boots", "polish leather boots"),
)
_LONG = "Please compare the roofs of old farmhouses in the north and in the south of the country. " * 30
_SINGLE = (
    ("What is the capital of France?", "Which city is the capital of France?"),
    ("Who wrote Moby Dick?", "Who is the author of Moby Dick?"),
    ("Is it safe to eat before a blood test?", "Is it safe to eat after a blood test?"),
    ("Is aspirin safe for dogs?", "Is aspirin unsafe for dogs?"),
    ("What is the weather in Oslo today?", "How is the weather in Oslo today?"),
    ("Who is the current mayor of Lyon?", "Who is the mayor of Lyon now?"),
    ("My name is Jane Roe, which visa do I need?", "My name is John Doe, which visa do I need?"),
    ("Mail the plan to jane.roe@example.com.", "Mail the plan to john.doe@example.com."),
    (_LONG, f"{_LONG}!"),
    ("How far is 5 km in steps?", "How far is 5 miles in steps?"),
    ("What does error E1042 mean?", "What does error E1043 mean?"),
    ("What is my balance?", "What's my balance?"),
    ("What is my balance?", "How do I check a balance?"),
    ("How much does a litre of milk cost?", "What does a litre of milk cost?"),
    ('What does "break a leg" mean?', 'What does "spill the beans" mean?'),
)


def _variants(verb_phrase: str, other: str) -> list[tuple[str, str]]:
    asked = f"How do I {verb_phrase}?"
    return [
        (asked, asked),
        (asked, f"How can I {verb_phrase}?"),
        (asked, f"What is the best way to {verb_phrase}?"),
        (asked, f"how do you {verb_phrase}"),
        (asked, f"How do I {other}?"),
        (asked, f"How do I not {verb_phrase}?"),
        (f"Can I {verb_phrase} in 10 minutes?", f"Can I {verb_phrase} in 25 minutes?"),
        (f"Can I {verb_phrase} in 10 minutes?", f"Is it possible to {verb_phrase} in ten minutes?"),
        (asked, f"Why would anybody want to {verb_phrase}?"),
    ]


def question_pairs() -> list[tuple[str, str]]:
    """Return (stored, asked) pairs."""
    varied = [pair for topic in _TOPICS for pair in _variants(*topic)]
    crossed = [
        (f"How do I {one[0]}?", f"How do I {other[0]}?")
        for one, other in zip(_TOPICS, (*_TOPICS[1:], _TOPICS[0]), strict=True)
    ]
    return [*varied, *crossed, *_SINGLE][:100]
