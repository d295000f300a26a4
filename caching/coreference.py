"""Compares of whom two English texts speak: he or she, the son or the daughter. Pure."""

from collections import defaultdict
from dataclasses import dataclass

from caching.stems import words_of

#: Each line: words for men, words for women of the same kind.
_PAIRS = """
    he him his himself he's he'd he'll | she her hers herself she's she'd she'll
    man men man's men's gentleman gentlemen male males | woman women woman's women's lady ladies female females
    boy boys boy's | girl girls girl's
    son sons son's | daughter daughters daughter's
    father fathers father's dad dads dad's daddy | mother mothers mother's mom moms mom's mum mum's mommy
    brother brothers brother's | sister sisters sister's
    husband husbands husband's hubby | wife wives wife's
    boyfriend boyfriends boyfriend's | girlfriend girlfriends girlfriend's
    grandfather grandpa granddad | grandmother grandma granny
    grandson grandsons | granddaughter granddaughters
    uncle uncles | aunt aunts auntie
    nephew nephews | niece nieces
    stepfather stepdad | stepmother stepmom
    groom | bride
    widower | widow
    king kings | queen queens
    prince princes | princess princesses
    actor actors | actress actresses
    mr sir | mrs ms miss madam
    father-in-law | mother-in-law
    waiter waiters | waitress waitresses
    hero heroes | heroine heroines
    landlord | landlady
    policeman | policewoman
    businessman businessmen | businesswoman businesswomen
    bachelor | bachelorette
    guy guys | gal gals
    masculine | feminine
    paternal | maternal
    fatherhood | motherhood
    bull | cow
    rooster | hen
"""
#: Relatives: of two questions, each about another one, neither answers the other.
_KIN = """
    father mother dad mom mum daddy mommy mummy papa mama
    son sons daughter daughters
    brother brothers sister sisters sibling siblings
    husband wife spouse hubby
    boyfriend girlfriend
    grandfather grandmother grandpa grandma granddad granny grandparent grandparents
    grandson granddaughter grandchild grandchildren
    uncle aunt uncles aunts auntie
    nephew niece
    cousin cousins
    stepfather stepmother stepdad stepmom
"""


@dataclass(frozen=True, slots=True)
class _Persons:
    sides: dict[int, set[int]]
    """For each pair of words that is spoken of, which of the two."""
    pronouns: list[int]
    """He (0) and she (1), in order."""
    kin: set[int]
    is_passive: bool


def persons_clash(a: str, b: str) -> bool:
    """Whether two texts speak of man and woman, of he and she the other way round, or of other relatives."""
    ours, theirs = _persons(a), _persons(b)
    if any(not ours.sides[pair] & theirs.sides[pair] for pair in ours.sides.keys() & theirs.sides.keys()):
        return True
    if ours.kin - theirs.kin and theirs.kin - ours.kin:
        return True
    is_same_voice = ours.is_passive == theirs.is_passive
    return is_same_voice and ours.pronouns == [1 - gender for gender in theirs.pronouns] != theirs.pronouns


def _persons(text: str) -> _Persons:
    words = words_of(text)
    sides: defaultdict[int, set[int]] = defaultdict(set)
    for pair, side in filter(None, map(_SIDES.get, words)):
        sides[pair].add(side)
    return _Persons(
        sides=sides,
        pronouns=[side for pair, side in filter(None, map(_SIDES.get, words)) if pair == 0],
        kin={_KIN_OF[word.removesuffix("'s")] for word in words if word.removesuffix("'s") in _KIN_OF},
        is_passive="by" in words,
    )


def _read_pairs() -> dict[str, tuple[int, int]]:
    return {
        word: (pair, side)
        for pair, line in enumerate(_PAIRS.strip().splitlines())
        for side, words in enumerate(line.split("|"))
        for word in words.split()
    }


_SIDES = _read_pairs()
_KIN_OF = {word: kin for kin, line in enumerate(_KIN.strip().splitlines()) for word in line.split()}
