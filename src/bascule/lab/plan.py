"""Who comes when: the seeded plan of the lab's traffic."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from bascule.conventions import NONE
from bascule.errors import UsageError

API_PARTNERS: Final = "api_partners"
FREEMIUM: Final = "freemium"
MIX: Final = {"enterprise": 0.2, API_PARTNERS: 0.3, FREEMIUM: 0.5}
# Twelve of them: at 60 requests/s each stays near half of its 10,000 an hour.
PARTNERS: Final = (
    "acme",
    "borealis",
    "cobalt",
    "delphi",
    "ember",
    "fjord",
    "globex",
    "hexa",
    "initech",
    "juniper",
    "kestrel",
    "lumen",
)
USERS_PER_SEGMENT: Final = 20_000  # at 60 requests/s a freemium user comes 5 times an hour, well under 100
MOST_PER_SECOND: Final = 400.0
LONGEST_SECONDS: Final = 4 * 3600.0


@dataclass(frozen=True)
class Visit:
    """One arrival. `at`: seconds after the start. `rates`: the user gives stars for what is found."""

    number: int
    at: float
    segment: str
    partner: str
    user: str
    candidate: str
    job: str
    rates: bool


@dataclass(frozen=True)
class TrafficPlan:
    """Poisson arrivals at `rate` matches per second for `seconds`; a share `ratings` of them is followed by a rating.

    Only loopback addresses are accepted: the lab sends load to nobody else.
    """

    url: str
    rate: float = 40.0
    seconds: float = 3600.0
    seed: int = 1
    mix: Mapping[str, float] = field(default_factory=lambda: dict(MIX))
    ratings: float = 0.15

    def __post_init__(self) -> None:
        _insist_on_loopback(self.url)
        if not 0 < self.rate <= MOST_PER_SECOND:
            raise UsageError(
                f"the rate {self.rate:g}/s is not possible", f"give one up to {MOST_PER_SECOND:g} requests per second"
            )
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise UsageError(
                f"traffic for {self.seconds:g} s is not possible", f"give a time up to {LONGEST_SECONDS:g} s"
            )
        if not self.mix or min(self.mix.values()) < 0 or sum(self.mix.values()) <= 0:
            raise UsageError(
                f"the mix {dict(self.mix)} is not valid", "give each segment a weight, such as freemium=0.5"
            )

    def visits(self) -> Iterator[Visit]:
        """The same visits at every call; their number is what the services draw their luck from."""
        luck = Random(self.seed)
        segments, weights = list(self.mix), list(self.mix.values())
        at, number = luck.expovariate(self.rate), 0
        while at < self.seconds:
            segment = luck.choices(segments, weights)[0]
            yield _visit(number, at, segment, luck, self.ratings)
            at, number = at + luck.expovariate(self.rate), number + 1

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TrafficPlan:
        return cls(**json.loads(text))


def _visit(number: int, at: float, segment: str, luck: Random, ratings: float) -> Visit:
    partner = luck.choice(PARTNERS) if segment == API_PARTNERS else NONE
    organisation = partner if segment == API_PARTNERS else segment
    return Visit(
        number=number,
        at=at,
        segment=segment,
        partner=partner,
        user=f"{organisation}-{luck.randrange(USERS_PER_SEGMENT):05}",
        candidate=f"c{luck.randrange(100_000):05}",
        job=f"j{luck.randrange(10_000):04}",
        rates=luck.random() < ratings,
    )


def _insist_on_loopback(url: str) -> None:
    host = urlsplit(url).hostname or ""
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = host == "localhost"
    if not allowed:
        raise UsageError(f"{url} is not on this machine", "the lab sends traffic to loopback addresses only")


def stars(satisfaction: float, luck: Random) -> int:
    """1 to 5 whole stars with the mean `satisfaction`: one, and four chances of one more."""
    return 1 + sum(luck.random() < (satisfaction - 1) / 4 for _ in range(4))
