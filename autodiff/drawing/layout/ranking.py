"""The first step of a layered drawing: on which rank each box lies.

Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981) brought the four steps:
ranks, order within ranks, coordinates, lines. Here links are made as short as can be, as in Gansner et al. (1993): a
parameter lies right above its use, not at the top. Knows nothing of where boxes lie within a rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .boxes import Box, Link, in_order
from .effort import FULL, MOST_APART, Effort
from .simplex import Constraint, shortest

SHARED = (
    0.25  # of its weight has a link that may share its way, in a large picture: what is made from a parameter lies near its use
)


def ranks_of(boxes: Sequence[Box], links: Sequence[Link], ends: Sequence[tuple[int, int]], effort: Effort = FULL) -> list[int]:
    """Return the rank of each box, from 0, none of them empty; boxes and links must hang together, or have a port among them.

    ends  of each link, as positions in `boxes`
    """
    n = len(boxes)
    merged, count = _ports_as_one(boxes)
    weights: dict[tuple[int, int], float] = {}
    uses = Counter(source for source, _ in ends)
    for link, (source, target) in zip(links, ends):
        pair = merged[source], merged[target]
        weight = link.straight * SHARED if not effort.alike and uses[source] > MOST_APART else link.straight
        weights[pair] = weights.get(pair, 0.0) + weight
    for pair in _frame(merged, count, boxes, weights):
        weights.setdefault(pair, 0.0)
    constraints: list[Constraint] = [(tail, head, weight, 1) for (tail, head), weight in weights.items()]
    ranks = shortest(_late_sources(count, constraints, not effort.alike), constraints, effort.ranking)
    widths = [0.0] * count
    for i in range(n):
        widths[merged[i]] += boxes[i].width + 1
    _spread_out(ranks, constraints, widths, {merged[i] for i in range(n) if boxes[i].rank})
    dense = {rank: i for i, rank in enumerate(sorted(set(ranks)))}
    return [dense[ranks[merged[i]]] for i in range(n)]


def _ports_as_one(boxes: Sequence[Box]) -> tuple[list[int], int]:
    """Return a number for each box, the same for all ports of the first rank, and for all of the last; and how many there are."""
    numbers: dict[str, int] = {}
    merged = []
    count = 0
    for box in boxes:
        if box.rank not in numbers or not box.rank:
            numbers[box.rank] = count
            count += 1
        merged.append(numbers[box.rank])
    return merged, count


def _frame(merged: list[int], count: int, boxes: Sequence[Box], weights: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Return the pairs that keep everything else between the first rank and the last."""
    first = next((merged[i] for i, box in enumerate(boxes) if box.rank == "first"), None)
    last = next((merged[i] for i, box in enumerate(boxes) if box.rank == "last"), None)
    heads, tails = {head for _, head in weights}, {tail for tail, _ in weights}
    pairs = []
    if first is not None:
        pairs += [(first, i) for i in range(count) if i not in heads and i not in (first, last)]
    if last is not None:
        pairs += [(i, last) for i in range(count) if i not in tails and i not in (first, last)]
    if first is not None and last is not None:
        pairs.append((first, last))
    return pairs


def _late_sources(count: int, constraints: Sequence[Constraint], together: bool) -> list[int]:
    """Return ranks to begin with: each box as early as can be, but those that pull more down than up as late as can be.

    together  whether boxes with a single use go along with it, so that they hold it back no more than they are held back
    """
    order = in_order(count, [(tail, head) for tail, head, _, _ in constraints])
    out: list[list[Constraint]] = [[] for _ in range(count)]
    pull = [0.0] * count
    for constraint in constraints:
        out[constraint[0]].append(constraint)
        pull[constraint[0]] += constraint[2]
        pull[constraint[1]] -= constraint[2]
    ranks = [0] * count
    for i in order:
        for _, head, weight, length in out[i]:
            ranks[head] = max(ranks[head], ranks[i] + length)
            if together and len(out[i]) == 1:
                pull[head] += max(0.0, min(weight, pull[i]))  # what is pulled up itself holds back by the rest
    for i in reversed(order):
        if out[i] and pull[i] > 0:
            ranks[i] = min(ranks[head] - length for _, head, _, length in out[i])
    return ranks


def _spread_out(ranks: list[int], constraints: Sequence[Constraint], widths: Sequence[float], fixed: set[int]) -> None:
    """Move boxes that are pulled up as much as down to the rank with most room: it costs nothing."""
    count = len(ranks)
    pull = [0.0] * count
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for tail, head, weight, _ in constraints:
        above[head].append(tail)
        below[tail].append(head)
        pull[tail] += weight
        pull[head] -= weight
    full = dict.fromkeys(ranks, 0.0)
    for i, rank in enumerate(ranks):
        full[rank] += widths[i]
    for i in range(count):
        if pull[i] or i in fixed or not above[i] or not below[i]:
            continue
        now, earliest, latest = ranks[i], max(ranks[j] for j in above[i]) + 1, min(ranks[j] for j in below[i]) - 1
        if earliest == latest:
            continue
        full[now] -= widths[i]
        ranks[i] = min((full.get(rank, 0.0), abs(rank - now), rank) for rank in range(earliest, latest + 1))[2]
        full.setdefault(ranks[i], 0.0)
        full[ranks[i]] += widths[i]
