"""How much work a picture is worth: less for each box where there are many, so that no graph takes forever.

All limits are counts of steps, never times, so pictures are the same on every machine. Knows nothing of the steps themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Effort:
    """Limits of the steps of the layout.

    ranking     constraints that the simplex looks at for ranks
    ordering    segments looked at to take crossings away
    placing     constraints that the simplex looks at to make lines straight
    slides      rounds of sliding
    ahead       lanes passed in one swing at most
    alike       whether all links want to be short alike; else less so those that may share their way, lest what is made from a
                parameter used everywhere lies beside it, far from its own use
    ends_first  whether lines are made straight from where they leave boxes to where they enter them; else from middle to middle,
                lest a thousand small steps aside become a long way
    """

    ranking: int
    ordering: int
    placing: int
    slides: int
    ahead: int
    alike: bool
    ends_first: bool


FULL = Effort(ranking=2_000_000, ordering=800_000, placing=2_000_000, slides=8, ahead=10, alike=True, ends_first=True)
LESS = Effort(ranking=400_000, ordering=150_000, placing=250_000, slides=3, ahead=4, alike=False, ends_first=False)

MOST_APART = 3  # long links from one place that still get lanes of their own
FEW = 1_500  # boxes and lanes up to which the effort is full
MOST_LANES, LEAST_LANES = 4_000, 2_000  # of a small picture, and of a large one
MOST_STEPS = 40_000  # from lane to lane, of all links


def effort_for(vertices: int, others: int = 0) -> Effort:
    """Return the effort for so many boxes and lanes that hang together, beside so many others; all share what there is."""
    if vertices + others <= FEW:
        return FULL
    share = vertices / (vertices + others)
    ranking, ordering, placing = (round(share * limit) for limit in (LESS.ranking, LESS.ordering, LESS.placing))
    return replace(LESS, ranking=ranking, ordering=ordering, placing=placing)


def lanes_for(boxes: int, of: int) -> int:
    """Return how many lanes there may be for so many boxes of a picture with `of` boxes."""
    return round(max(LEAST_LANES, MOST_LANES - of) * boxes / of)
