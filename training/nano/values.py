"""Values of the slots in the fact templates: from `data/words.txt`, or made up on the spot."""

# ruff: noqa: E501, D102, TC003, RET504
# Lists of values and one-line makers read better unwrapped.

from __future__ import annotations

import random
import zlib
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"
HELD_SHARE = 10  # one value in ten is never seen in training

ALIASES = {
    "oldname": "name", "oldcar": "carmodel", "oldbank": "bank", "olddrink": "drink",
    "oldtool": "toolx", "oldeditor": "editor", "oldtech": "tech", "oldbook": "book",
    "oldbrand": "brand", "oldplace": "place", "instrument2": "instrument",
}  # fmt: skip
SMALL = {
    "size": "XS,S,M,L,XL,XXL,38,40,42,46",
    "blood": "A positive,A negative,B positive,B negative,O positive,O negative,AB positive,AB negative",
    "tz": "UTC,CET,EST,PST,GMT,UTC+3,UTC-5,IST,JST,AEST,UTC+8",
    "bodypart": "left knee,right knee,shoulder,ankle,wrist,back,elbow,neck,hip,toe,thumb,stomach,heart,jaw,left foot,right hand,ribs,collarbone,little finger,lower back,heel,shin,right ear",
    "hotel": "Hotel Astoria,Grand Palace,Seaview Inn,Hotel Bristol,Casa Verde,Park Lodge,Hotel Adler,Old Mill,Hotel Miramar,Sunset Hostel,Villa Rosa,Hotel Krone,The Lantern,Hotel Estrela,Pension Anna,Harbour Rooms,Hotel Sole,The Fox and Hound,Bay Hostel,Hotel Lindenhof",
    "resolution": "drink less coffee,eat less sugar,call my mother more often,sleep earlier,read more,write a diary,walk every day,learn to swim,stop smoking,call my sister on Sundays,walk to work,cook at home,learn a poem a month",
    "voice": "soprano,alto,tenor,bass,first soprano,second tenor,baritone,second soprano,second alto,first tenor,bass baritone,mezzo",
    "coffee": "black,with oat milk,with two sugars,without sugar,very strong,with cream,with lemon,with honey,decaf,with a drop of milk,lukewarm,with soy milk,extra hot,with cinnamon,half and half,with one sugar",
    "filmgenre": "horror,action,romantic,science fiction,comedy,documentary,crime,western,war,fantasy,animated,thriller,musical,spy,silent,detective,zombie,heist,nature",
    "occasion": "her birthday,Christmas,his birthday,the wedding,graduation,Easter,the baptism,our anniversary,their housewarming,his retirement,Mother's Day,her exam",
    "often": "twice a day,every morning,once a week,before meals,at bedtime,every other day,with dinner,three times a day,on Sundays,in the evening,every six hours",
    "topic": "bees in the desert,medieval trade,neural networks,urban gardens,river pollution,sleep in teenagers,wind turbines,old maps,whale songs,folk music,solar cells,roman roads,bird migration,soil bacteria,tidal power,medieval guilds,speech of toddlers,plastic in lakes,the history of tea,robot arms,volcanic soils,church bells",
    "topic2": "expenses,taxes,the database,invoices,holiday requests,travel bookings,payroll,security,the printers,contracts,hiring,the website,visas,the newsletter,parking permits,legal questions,search,the mobile app,billing,design,testing,deployments,catering,insurance,the budget,onboarding,purchasing,keys and badges,translations,marketing",
    "breed": "poodle,labrador,terrier,dachshund,collie,tabby,siamese,husky,pug,spaniel,boxer,maine coon,whippet,corgi,beagle,ragdoll,greyhound,persian,border terrier,bengal,mastiff,burmese",
    "toy": "the squeaky duck,tennis balls,cardboard boxes,the red rope,feathers,the old slipper,the rope ring,a laser pointer,old socks,the rubber bone,ping-pong balls,paper bags",
    "nick": "Bear,Sunny,Jojo,Bee,Ace,Mouse,Lulu,Tiny,Captain,Nana,Pip,Tubs,Fips,Momo",
    "kinword": "wife,son,daughter,brother,sister,mother,father,uncle,aunt,cousin,nephew,niece",
    "bring": "a towel,the passport,running shoes,a salad,two photos,the insurance card,a bottle of wine,cash,a warm jacket,the blue folder,my laptop,the signed form,a cake,sunscreen,the music stand,a helmet,slippers,an umbrella,printed tickets,a pen,the vaccination card,snacks,a sleeping bag,the old contract,soap,light bulbs,stamps,candles",
    "todo": "call the dentist,water the plants,pay the invoice,renew the insurance,return the books,book the train,fix the bike,write to {first},cancel the subscription,send the form,clean the gutters,buy new tires,order {gift},back up the photos,pick up the parcel,check the smoke alarm,file the taxes",
    "breakif": "forget the changelog,push on a {day},skip the migration,use tabs,rename the config,commit large files,leave out the tests,change the lock file,merge without review,edit the schema by hand,edit the vendored folder,rename the tables,bump the major version,deploy without the flag,delete the fixtures,reorder the enum,squash the release branch",
    "direction": "south,north,east,west,kitchen,bathroom",
    "branch": "main,develop,trunk,stable,release,next,master,dev,production,trunk-next,integration,v2",
    "handle": "", "cat2": "animal,singer,game,toy,number", "val2": "",
    "small": "two,three,four,five,six,2,3,4,5,6", "small2": "1,2,3,4,5,6,7,8,9",
    "deg": "160,170,180,190,200,210,220,230,250,350,375,400",
}  # fmt: skip
_SYLLABLES = """
    ba be bo da de di fa fe ga go ha he jo ka ke ki la le li lo ma me mi mo na ne ni no pa pe
    ra re ri ro sa se si so ta te ti to va ve vi wa we ya ye za zo ar el in or un ast end ilk
    orn usk
""".split()  # noqa: SIM905
_ENDS = ["", "", "n", "s", "l", "r", "th", "ck", "m", "x", "nd", "sk"]
_NOUNS = """
    otter river maple copper falcon winter cobalt tiger lemon rocket marble forest pepper
    violet canyon saturn walnut hammer dragon silver pickle mango bishop meadow anchor
""".split()  # noqa: SIM905


def is_held(value: str) -> bool:
    """Whether a listed value is kept out of training (by its CRC, so for ever the same)."""
    return zlib.crc32(value.encode()) % HELD_SHARE == 0


@cache
def lists() -> dict[str, list[str]]:
    """Slot name to its values, as written (a value may hold "/" between synonyms)."""
    table = {name: text.split(",") for name, text in SMALL.items() if text}
    for row in (DATA / "words.txt").read_text().splitlines():
        if row and not row.startswith("#"):
            name, _, rest = row.partition(":")
            table[name] = [value.strip() for value in rest.split(",")]
    return table


def kind_of(slot: str) -> str:
    """The list or maker of a slot name."""
    slot = ALIASES.get(slot, slot)
    return slot if slot in lists() or hasattr(Values, "_" + slot) else slot.rstrip("23")


class Values:
    """Draws values; `held` decides whether from the training values or the held-out ones."""

    def __init__(self, rng: random.Random, *, held: bool = False) -> None:
        self.rng, self.held = rng, held
        self._pools: dict[str, list[str]] = {}

    def listed(self, name: str) -> str:
        """A value of a list, synonyms still separated by "/"."""
        pool = self._pools.get(name)
        if pool is None:
            everything = lists()[name]
            pool = [v for v in everything if is_held(v) == self.held] or everything
            self._pools[name] = pool
        return self.rng.choice(pool)

    def word(self) -> str:
        """A made-up word, so that copying is learnt rather than a vocabulary."""
        rng = self.rng
        body = "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 2, 3))))
        return body + rng.choice(_ENDS)

    def digits(self, n: int) -> str:
        return "".join(self.rng.choice("0123456789") for _ in range(n))

    def draw(self, slot: str) -> str:
        """A value for any slot name; a digit or "old" in the name only tells two apart."""
        kind = kind_of(slot)
        maker = getattr(self, "_" + kind, None)
        return str(maker()) if maker else self.rng.choice(self.listed(kind).split("/"))

    def other(self, slot: str, taken: set[str]) -> str:
        """A value that is none of `taken`, of those for the other side if there are no more."""
        for values in (self, self, self, self, Values(self.rng, held=not self.held)):
            value = values.draw(slot)
            if value not in taken:
                break
        return value

    def _first(self) -> str:
        return self.word().capitalize() if self.rng.random() < 0.3 else self.listed("first")

    def _last(self) -> str:
        return self.word().capitalize() if self.rng.random() < 0.4 else self.listed("last")

    def _name(self) -> str:
        return f"{self._first()} {self._last()}" if self.rng.random() < 0.5 else self._first()

    def _petname(self) -> str:
        return self.word().capitalize() if self.rng.random() < 0.3 else self.listed("petname")

    def _city(self) -> str:
        return self.word().capitalize() if self.rng.random() < 0.2 else self.listed("city")

    def _company(self) -> str:
        rng = self.rng
        if rng.random() < 0.35:
            tail = rng.choice(["", "", " Ltd", " Systems", " Bank", " & Co", " GmbH", " Foods"])
            return self.word().capitalize() + tail
        return self.listed("company")

    def _project(self) -> str:
        return self.word().capitalize() if self.rng.random() < 0.4 else self.listed("project")

    def _n(self) -> int:
        return self.rng.randint(2, 99)

    def _num(self) -> int:
        return self.rng.randint(100, 999)

    def _nth(self) -> str:
        n = self.rng.randint(1, 28)
        return f"{n}{'th' if 4 <= n <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"

    def _year(self) -> int:
        return self.rng.randint(1950, 2035)

    def _time(self) -> str:
        rng = self.rng
        hour, minute = (
            rng.randint(0, 23),
            rng.choice(("00", "15", "30", "45", self.digits(1) + "0")),
        )
        return rng.choice([
            f"{hour}:{minute[0] if minute[0] in '012345' else '3'}{minute[1]}",
            f"{rng.randint(1, 12)} {rng.choice(('am', 'pm'))}", f"{rng.randint(1, 12)}pm",
            f"{rng.randint(1, 12)} o'clock", f"half past {rng.choice(('seven', 'eight', 'six'))}",
        ])  # fmt: skip

    def _date(self) -> str:
        rng = self.rng
        month, day = self.listed("month"), rng.randint(1, 28)
        return rng.choice([
            f"{month} {day}", f"{day} {month}", f"the {self._nth()} of {month}", f"the {self._nth()}",
            f"{rng.randint(2020, 2032)}-{rng.randint(1, 12):02d}-{day:02d}", f"{month[:3]} {day}",
            f"{day}.{rng.randint(1, 12)}.", f"{self.listed('day')}, {month} {day}",
        ])  # fmt: skip

    def _price(self) -> str:
        rng = self.rng
        amount = rng.choice([
            str(rng.randint(3, 99)), str(rng.randint(100, 990)), f"{rng.randint(2, 99)}.{self.digits(1)}0",
            f"{rng.randint(1, 99)},{self.digits(1)}00", f"{rng.randint(1, 90)}k",
        ])  # fmt: skip
        return rng.choice([f"{amount} euros", f"${amount}", f"£{amount}", f"€{amount}", f"{amount} dollars",
                           f"{amount} francs", f"{amount} kroner", f"{amount} bucks"])  # fmt: skip

    def _pin(self) -> str:
        rng = self.rng
        return rng.choice([self.digits(4), self.digits(4), self.digits(6), f"{self.digits(3)}-{self.digits(3)}",
                           "-".join(self.digits(3)), f"{self.digits(4)}#", self.code()])  # fmt: skip

    def code(self) -> str:
        """An identifier such as "KX-4471-B" or "HM 5520 881"."""
        rng = self.rng
        abc = "ABCDEFGHJKLMNPQRSTUVWXYZ"
        letters = "".join(rng.choice(abc) for _ in range(rng.randint(1, 3)))
        sep = rng.choice(["-", " ", "", "/", "-"])
        return rng.choice([
            f"{letters}{sep}{self.digits(4)}", f"{self.digits(3)}{sep or '-'}{self.digits(5)}",
            f"{letters}{sep}{self.digits(3)}{sep}{rng.choice(abc)}", self.digits(rng.randint(5, 9)),
            f"{self.digits(2)}{letters}{self.digits(2)}", f"{letters}{self.digits(2)}-{self.digits(4)}",
        ])  # fmt: skip

    _code = code

    def _plate(self) -> str:
        rng = self.rng
        abc = "ABCDEFGHJKLMNPRSTUVWXYZ"
        pick = lambda n: "".join(rng.choice(abc) for _ in range(n))  # noqa: E731
        return rng.choice([f"{pick(2)}{self.digits(2)} {pick(3)}", f"{pick(1)}-{pick(2)} {self.digits(3)}",
                           f"{pick(3)}-{self.digits(4)}"])  # fmt: skip

    def _phone(self) -> str:
        d = self.digits
        return self.rng.choice([f"0{d(3)} {d(6)}", f"555-{d(4)}", f"+{d(2)} {d(3)} {d(4)}",
                                f"0{d(2)}/{d(6)}", f"({d(3)}) {d(3)}-{d(4)}", f"07{d(3)} {d(3)} {d(3)}"])  # fmt: skip

    def _email(self) -> str:
        rng = self.rng
        user = rng.choice(
            [
                self._first().lower(),
                f"{self._first()[0].lower()}.{self.word()}",
                self.word(),
                "info",
                "mail",
            ]
        )
        return f"{user}@{self.word()}.{rng.choice(['com', 'org', 'net', 'example', 'io', 'de'])}"

    def _handle(self) -> str:
        return (
            self.rng.choice(["@", "", ""])
            + self.word()
            + self.rng.choice(["", "_", self.digits(2), "-x"])
        )

    def _pw(self) -> str:
        rng = self.rng
        return rng.choice([
            f"{rng.choice(_NOUNS)}-{rng.choice(_NOUNS)}-{self.digits(2)}", f"{rng.choice(_NOUNS).capitalize()}{self.digits(3)}",
            f"{self.word()}{self.digits(2)}!", f"{rng.choice(_NOUNS)}{rng.choice(_NOUNS).capitalize()}", f"{self.word()}_{self.word()}",
        ])  # fmt: skip

    def _ip(self) -> str:
        return ".".join(str(self.rng.randint(1, 254)) for _ in range(4))

    def _port(self) -> int:
        return self.rng.choice([self.rng.randint(1000, 9999), self.rng.randint(80, 65000)])

    def _host(self) -> str:
        rng = self.rng
        return rng.choice(
            [
                f"{self.word()}-{rng.randint(1, 9)}",
                f"{self.word()}.internal",
                f"{self.word()}.{self.word()}.net",
                self._ip(),
            ]
        )

    def _url(self) -> str:
        rng = self.rng
        scheme = rng.choice(["https://", "http://", "", ""])
        return f"{scheme}{rng.choice(['git', 'wiki', 'docs', 'app'])}.{self.word()}.{rng.choice(['com', 'io', 'internal'])}/{self.word()}"

    def _path(self) -> str:
        rng = self.rng
        root = rng.choice(
            [
                "/var/log",
                "/etc",
                "/srv",
                "~/.config",
                "/opt",
                "C:\\data",
                "./build",
                "/home/" + self.word(),
            ]
        )
        return f"{root}/{self.word()}" + rng.choice(
            ["", ".log", ".conf", ".yaml", "/" + self.word() + ".txt"]
        )

    def _cmd(self) -> str:
        rng = self.rng
        a, b = self.word(), self.word()
        text = rng.choice([
            f"make {a}", f"make {a} {b.upper()}={self._n()}", f"./{a}.sh --{b}", f"npm run {a}", f"git push {a} {b}",
            f"docker compose up {a}", f"kubectl rollout restart {a}/{b}", f"systemctl restart {a}", f"python -m {a}.{b}",
            f"cargo run --bin {a}", f"ansible-playbook {a}.yml -l {b}", f"{a} deploy --env={b}", f"pytest -k {a}",
            f"ssh {a}@{b} -p {self._port()}", f"go test ./{a}/...", f"helm rollback {a} {rng.randint(1, 9)}",
            f"just {a}", f"{a} --{b} -n {self._n()}", f"uv run {a} --{b}", f"mvn {a}:{b}",
        ])  # fmt: skip
        return rng.choice([f"`{text}`", text, f"'{text}'"])

    def _address(self) -> str:
        rng = self.rng
        street = self._street()
        n = rng.randint(1, 220)
        text = rng.choice(
            [
                f"{n} {street}",
                f"{street} {n}",
                f"{n}{rng.choice('abc')} {street}",
                f"{street} {n}, {self._city()}",
            ]
        )
        return text

    def _street(self) -> str:
        rng = self.rng
        if rng.random() < 0.4:
            return self.word().capitalize() + rng.choice(
                [" Street", " Road", " Lane", "straße", " Avenue", "weg", " Row", " Terrace"]
            )
        return self.listed("street")

    def _room(self) -> str:
        rng = self.rng
        return rng.choice([f"room {self._num()}", f"room {rng.randint(1, 9)}{rng.choice('ABC')}", f"{rng.randint(1, 9)}{rng.choice('ABCD')}-{self.digits(2)}",
                           f"the {self.word().capitalize()} room", f"building {rng.choice('ABC')}, floor {rng.randint(1, 9)}", f"hall {rng.randint(1, 9)}"])  # fmt: skip

    def _iban(self) -> str:
        return f"{self.rng.choice(['DE', 'NL', 'FR', 'GB'])}{self.digits(2)} {self.digits(4)} {self.digits(4)} {self.digits(2)}"

    def _flightno(self) -> str:
        return f"{self.rng.choice(['BA', 'KL', 'AF', 'SK', 'DL', 'U2', 'QF'])}{self.rng.choice(['', ' '])}{self.digits(self.rng.choice((3, 4)))}"

    def _modelno(self) -> str:
        return self.rng.choice(
            [
                f"{self.rng.choice('ABEGSXZ')}{self.digits(2)}",
                f"{self.digits(3)}{self.rng.choice('XLS')}",
                f"{self.rng.choice('ABX')}{self.digits(1)} Pro",
            ]
        )

    def _dose(self) -> str:
        rng = self.rng
        return rng.choice([f"{rng.choice((5, 10, 20, 25, 40, 50, 75, 100, 250, 400, 500))} mg", rng.choice(("one tablet", "two tablets", "half a tablet", "a quarter of a tablet")),
                           f"{rng.randint(2, 40)} drops", f"{rng.randint(2, 15)} ml", f"{rng.randint(2, 60)} units", f"{self._num()} mg", f"{rng.randint(2, 4)} pills"])  # fmt: skip

    def _amount(self) -> str:
        rng = self.rng
        return rng.choice([f"{rng.randint(2, 90) * 10} g", f"{rng.randint(2, 9)} tablespoons", f"{rng.randint(1, 9) * 100} ml",
                           f"{rng.choice(('a pinch', 'a cup', 'half a cup', 'two cups', 'three'))}", f"{rng.randint(2, 12)} teaspoons"])  # fmt: skip

    def _lthing(self) -> str:
        return self.rng.choice(self.listed("thing").split("/"))

    def _val2(self) -> str:
        return self.word()
