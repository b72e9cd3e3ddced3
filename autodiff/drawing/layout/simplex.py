"""The network simplex: numbers as close together as constraints between them allow.

Gansner, Koutsofios, North and Vo, "A technique for drawing directed graphs" (1993), section 2.3: given constraints
x[head] - x[tail] >= length, each with a weight, find the x that make the weighted sum of all differences least. Ranks are
found by it, and places within ranks. Knows nothing of pictures.

At the optimum enough constraints are tight (equalities) to connect everything, so one walks from one spanning tree of tight
constraints to a better one. Take a constraint out of the tree, and it falls into two parts that could slide along one
another. Whether that helps is the tree constraint's *cut value*: the weight of all constraints that would get shorter less
that of those that would get longer. While one is negative, slide until another constraint becomes tight; it takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

Constraint = tuple[int, int, float, int]  # tail, head, weight, least difference


def shortest(x: list[int], constraints: Sequence[Constraint], budget: int) -> list[int]:
    """Return the best numbers, or the best found within `budget` steps.

    x            numbers that keep all constraints; where these do not connect them all, one of each part stays as it is
    constraints  (tail, head, weight, length)
    """
    if len(x) < 2:
        return x
    tree = _Tree(x, constraints)
    n, looked, v = len(x), 0, 0
    while looked < n and budget > 0:
        v = v + 1 if v + 1 < n else 0
        looked += 1
        budget -= 1
        if tree.parent[v] >= 0 and tree.cut_value(v) < 0:
            budget -= tree.improve(v)
            looked = 0
    return tree.x


class _Tree:
    """A spanning tree of tight constraints, rooted at number 0; one for each part of what does not hang together.

    parent   of each number; -1 for a root
    link     the constraint between it and its parent
    pull     for each number, the weight that pulls the whole subtree below it up less the weight that pulls it down: weights
             inside cancel, so it is the sum, over the subtree, of weights out less weights in
    """

    def __init__(self, x: list[int], constraints: Sequence[Constraint]):
        n = len(x)
        self.constraints = constraints
        self.at: list[list[int]] = [[] for _ in range(n)]
        own = [0.0] * n
        for i, (tail, head, weight, _) in enumerate(constraints):
            self.at[tail].append(i)
            self.at[head].append(i)
            own[tail] += weight
            own[head] -= weight
        self.parent, self.link = [-1] * n, [-1] * n
        self.below: list[dict[int, None]] = [{} for _ in range(n)]  # children; a dict keeps their order
        self.x = list(x)
        order = self._grow()
        self.pull = own
        for v in reversed(order):
            if self.parent[v] >= 0:
                self.pull[self.parent[v]] += self.pull[v]

    def _grow(self) -> list[int]:
        """Make a first tree, from the root on, by sliding it until the next constraint becomes tight; return the order.

        Numbers in the tree are kept as they would be had it never slid. Two heaps hold the constraints that leave the tree and
        those that enter it, by their slack as it would be then: sliding by d takes d from the one kind and gives d to the other.
        """
        x, slid, order = self.x, 0, [0]
        inside = [False] * len(x)
        inside[0] = True
        leaving: list[tuple[int, int]] = []
        entering: list[tuple[int, int]] = []
        while len(order) < len(x):
            for i in self.at[order[-1]]:
                tail, head, _, length = self.constraints[i]
                if not inside[head]:
                    heappush(leaving, (x[head] - x[tail] - length, i))
                elif not inside[tail]:
                    heappush(entering, (x[head] - x[tail] - length, i))
            while leaving and inside[self.constraints[leaving[0][1]][1]]:
                heappop(leaving)
            while entering and inside[self.constraints[entering[0][1]][0]]:
                heappop(entering)
            if not leaving and not entering:  # what hangs together is done; a root for the next
                new = inside.index(False)
                slid = 0
                inside[new] = True
                order.append(new)
                continue
            if leaving and (not entering or leaving[0][0] - slid <= entering[0][0] + slid):
                slid, i = heappop(leaving)
                old, new = self.constraints[i][:2]
            else:
                slack, i = heappop(entering)
                slid = -slack
                new, old = self.constraints[i][:2]
            x[new] -= slid
            self.parent[new], self.link[new] = old, i
            self.below[old][new] = None
            inside[new] = True
            order.append(new)
        return order

    def cut_value(self, v: int) -> float:
        """Return what the subtree below `v` loses by sliding away from its parent."""
        return self.pull[v] if self.constraints[self.link[v]][0] == v else -self.pull[v]

    def improve(self, v: int) -> int:
        """Slide the subtree below `v` away from its parent, as far as it can; return how many steps that took."""
        constraints, x = self.constraints, self.x
        part = [v]
        for u in part:  # grows while it is read
            part.extend(self.below[u])
        inside = set(part)
        up = constraints[self.link[v]][0] == v  # the subtree is the tail, so it slides to smaller numbers
        best, found, looked = 0, -1, 0
        for u in part:
            for i in self.at[u]:
                tail, head, _, length = constraints[i]
                looked += 1
                if (head if up else tail) == u and (tail if up else head) not in inside:
                    slack = x[head] - x[tail] - length
                    if found < 0 or slack < best:
                        best, found = slack, i
        if found < 0:  # only without weights: nothing holds the subtree
            self.pull[v] = 0.0
            return looked
        for u in part:
            x[u] += -best if up else best
        tail, head, _, _ = constraints[found]
        return looked + len(part) + self._hang(v, *((head, tail) if up else (tail, head)), found)

    def _hang(self, v: int, inner: int, outer: int, link: int) -> int:
        """Take the subtree below `v` off its parent and hang it, by its member `inner`, below `outer`; return the steps taken."""
        parent, pull = self.parent, self.pull
        whole = pull[v]
        u, steps = parent[v], 0
        del self.below[u][v]
        while u >= 0:
            pull[u] -= whole
            u = parent[u]
            steps += 1
        u, above, below = inner, outer, 0.0
        while True:  # turn the way from inner up to v around: what hung above now hangs below
            before, its_link, its_pull = parent[u], self.link[u], pull[u]
            parent[u], self.link[u], pull[u] = above, link, whole - below
            self.below[above][u] = None
            if u == v:
                break
            del self.below[before][u]
            u, above, link, below = before, u, its_link, its_pull
        u = outer
        while u >= 0:
            pull[u] += whole
            u = parent[u]
            steps += 1
        return steps
