"""The page in a headless Chromium: what it shows, what it does, and that it keeps to itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.drawing.look import Look
from autodiff.drawing.page.page import as_page

from .chromium import PROGRAMS, chromium, program

pytestmark = pytest.mark.skipif(program() is None, reason=f"no browser: none of {', '.join(PROGRAMS)} on the PATH")

HOSTILE = (
    "<script>window.hacked = 1</script>", "\"'><img src=x onerror=window.hacked=1>", "]]>", "-->", "<!--", "</script>",
    "</template><b>", "{{script}}", "&lt;b&gt;", "ünï ☃ 名前 \u2028", "\ud800", "long " * 200,
)  # fmt: skip


class Attention(nn.Module):
    def __init__(self, size):
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).swapaxes(-1, -2)
        return nn.functional.softmax(scores, dim=-1) @ self.value(x)


class Block(nn.Module):
    def __init__(self, size):
        self.attention = Attention(size)
        self.norm = nn.LayerNorm(size)
        self.forward_part = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.forward_part(self.norm(x))


class Transformer(nn.Module):
    def __init__(self, blocks, size=8):
        self.blocks = nn.Sequential(*(Block(size) for _ in range(blocks)))
        self.head = nn.Linear(size, 3)

    def forward(self, x):
        return self.head(self.blocks(x))


def doubled():
    """Two uses by one operation, and another by one more: c = (a + a) * a."""
    a = Tensor(3.0, requires_grad=True, name="a")
    with ad.trace():
        b = a + a
        b.name = "b"
        c = b * a
        c.name = "c"
    c.backward()
    return c, [a]


def untraced():
    a = Tensor(3.0, requires_grad=True, name="a")
    return a * 2.0, [a]


def model():
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = np.arange(20, dtype="float32").reshape(5, 4) / 20
    with ad.trace():
        loss = nn.functional.cross_entropy(network(x), np.array([0, 1, 1, 0, 1]))
        loss.name = "loss"
    loss.backward()
    return loss, [network]


def transformer(blocks=2):
    network = Transformer(blocks)
    with ad.trace():
        loss = network(np.linspace(-1, 1, 32, dtype="float32").reshape(4, 8)).sum()
        loss.name = "loss"
    loss.backward()
    return loss, [network]


def hostile():
    with ad.trace():
        leaves = [Tensor(float(i), requires_grad=True, name=name) for i, name in enumerate(HOSTILE)]
        y = leaves[0] * 1.0
        for leaf in leaves[1:]:
            y = y + leaf
        y.name = "</script><script>window.hacked = 1</script>"
    y.backward()
    return y, leaves


CASES = {case.__name__: case for case in (doubled, untraced, model, transformer, hostile)}


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The address of the page of each case."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, case in CASES.items():
        output, _alive = case()
        direction = "down" if name in ("model", "transformer") else "right"
        path = folder / f"{name}.html"
        path.write_text(as_page(describe_graph([output]), Look.of(), f"{name} <&>", direction), encoding="utf-8")
        found[name] = path.as_uri()
    return found


def node(id):
    return f"#canvas .node[data-node={json.dumps(id)}]"


def group(id):
    return f"#canvas .group[data-group={json.dumps(id)}]"


def shown(selector):
    return f"document.querySelector({json.dumps(selector)}) !== null"


def text(selector):
    return f"document.querySelector({json.dumps(selector)})?.textContent"


def edges(browser, selector):
    return browser.evaluate(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")


PANEL, PLAYER, PHASE = "#panel-body", "#player [data-player=text]", "#player [data-player=phase]"


# ------------------------------------------------------------------------------------------------ keeping to itself


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_asks_for_nothing_and_complains_of_nothing(browser, pages, name, dark):
    browser.open(pages[name], dark=dark)
    browser.click("#show-help")
    browser.until("help.open")
    browser.click("#close-help")
    browser.press("End")
    browser.until("player.at === player.steps.length - 1")
    browser.evaluate("for (const node of graph.nodes) { goTo(node); showPaths(node); } clearPaths()")
    browser.evaluate("for (const group of graph.groups) { goToGroup(group.id); enter(group.id); }")
    assert browser.complaints() == []
    assert browser.requests() == [pages[name]]


def test_nothing_can_be_loaded_or_run_even_if_it_got_in(browser, pages):
    browser.open(pages["doubled"])
    browser.evaluate("""(() => {
        const [script, image] = [document.createElement('script'), new Image()];
        script.textContent = 'window.hacked = 1';
        image.src = 'http://127.0.0.1:9/x.png';
        document.body.append(script, image); })()""")
    browser.until("document.images[0].complete")
    assert browser.evaluate("window.hacked === undefined")
    assert browser.requests() == [pages["doubled"]]
    assert len([entry for entry in browser.complaints() if "Content Security Policy" in entry]) == 2


def test_hostile_names_stay_names(browser, pages):
    browser.open(pages["hostile"])
    names = browser.evaluate("graph.nodes.filter((node) => node.role === 'variable').map((node) => node.name)")
    assert names[:10] == list(HOSTILE[:10])
    browser.evaluate("for (const node of graph.nodes) goTo(node)")
    browser.evaluate("goTo(graph.nodes[0])")
    assert browser.evaluate(text("#panel h2")) == HOSTILE[0]
    browser.evaluate("(() => { $('search').value = 'onerror'; showHits(); })()")
    assert browser.evaluate("document.querySelectorAll('#hits [role=option]').length") == 1
    assert browser.evaluate(text("#hits [role=option] span")) == HOSTILE[1]
    assert browser.evaluate("window.hacked === undefined")
    assert browser.evaluate("document.querySelectorAll('img, b, script').length") == 2  # the data, and the page's own
    assert browser.evaluate("document.title") == "hostile <&>"
    assert browser.evaluate(text("#top h1")) == "hostile <&>"


# ------------------------------------------------------------------------------------------------ details


def test_a_click_on_a_node_tells_all_of_it(browser, pages):
    browser.open(pages["doubled"])
    assert not browser.evaluate("panel.shown")
    browser.click(node("a"))
    browser.until(text("#panel h2"), "a")
    told = browser.evaluate(text(PANEL))
    assert "3 + 3 + 6 = 12" in told or "6 + 3 + 3 = 12" in told
    browser.click(node("c"))
    browser.until(text("#panel h2"), "c")
    told = browser.evaluate(text(PANEL))
    for part in ("multiply", "c = b × a = 6 × 3 = 18", "test_page_in_browser.py:", "∂c / ∂b = 3", "sends back 1 × 3 = 3"):
        assert part in told
    browser.press("Escape")
    browser.until("panel.shown", False)
    assert browser.evaluate(shown(f"{node('c')}:focus"))


def test_what_is_missing_is_said_with_its_cure(browser, pages):
    browser.open(pages["untraced"])
    browser.click(node("a"))
    browser.until(text("#panel h2"), "a")
    assert "not computed yet" in browser.evaluate(text(PANEL))
    assert "backward=True" in browser.evaluate(text(PANEL))
    browser.press("End")
    browser.until("player.active")
    assert "not computed yet" in browser.evaluate(text(PLAYER))


def test_arrays_have_pictures(browser, pages):
    browser.open(pages["model"])
    browser.evaluate("goTo(graph.nodes.find((node) => node.value && node.value.data && node.value.data.length === 12))")
    assert browser.evaluate(shown("#panel table.numbers"))
    browser.open(pages["transformer"])
    browser.evaluate("goTo(graph.nodes.find((node) => node.value && node.value.data && node.value.data.length === 64))")
    assert browser.evaluate(shown("#panel canvas.heat"))
    assert browser.evaluate("document.querySelectorAll('#panel svg.histogram rect').length") == 2 * 24
    browser.click("#panel summary")
    browser.until("document.querySelectorAll('#panel details td').length", 64)


# ------------------------------------------------------------------------------------------------ groups


def test_a_group_opens_in_place_and_closes(browser, pages):
    browser.open(pages["model"])
    (outer,) = browser.evaluate("graph.groups.filter((group) => group.parent === null).map((group) => group.id)")
    first, second, _ = browser.evaluate("graph.groups.filter((group) => group.parent !== null).map((group) => group.id)")
    assert browser.evaluate(shown(f"{group(outer)}.open"))  # what can be open is so: its room is kept free
    assert browser.evaluate(shown(f"{group(first)}.open .scene .node"))
    browser.click(group(first) + " > .toggle")
    browser.until(shown(f"{group(first)} .scene"), False)
    assert browser.evaluate(shown(f"{group(first)}[aria-expanded=false][role=button]"))
    browser.click(group(first) + " > .toggle")
    browser.until(shown(f"{group(first)}.open .scene .node"))
    assert browser.evaluate(shown(f"{group(first)}[aria-expanded=true][role=group]"))  # not a button: those hide what they hold
    inside, frame = edges(browser, f"{group(first)} .scene"), edges(browser, f"{group(first)} > .frame")
    assert inside["left"] >= frame["left"] - 1  # scaled into its box
    assert inside["top"] >= frame["top"] - 1
    assert inside["right"] <= frame["right"] + 1
    assert inside["bottom"] <= frame["bottom"] + 1
    browser.evaluate(f"select({{group: graph.groupById.get({json.dumps(second)})}})")
    browser.press("o")
    browser.until(shown(f"{group(second)}.open"), False)
    browser.press("o")
    browser.until(shown(f"{group(second)}.open .scene .node"))


def test_zooming_into_a_group_and_back(browser, pages):
    browser.open(pages["transformer"])
    outer = browser.evaluate("graph.groups.find((group) => group.parent === null).id")
    assert browser.evaluate("breadcrumb.hidden")
    browser.evaluate(f"canvas.toggle({json.dumps(outer)})")
    x, y = browser.place(f"{group(outer)} > .frame")
    browser.evaluate(f"document.elementFromPoint({x}, {y}).dispatchEvent(new MouseEvent('dblclick', {{bubbles: true}}))")
    browser.until("canvas.main", outer)
    below = browser.evaluate(f"graph.groups.find((group) => group.parent === {json.dumps(outer)}).id")
    browser.evaluate(f"enter({json.dumps(below)})")
    browser.until("[...document.querySelectorAll('#breadcrumb li')].length", 3)
    assert browser.evaluate("document.querySelectorAll('#canvas .port').length") > 0
    browser.click("#breadcrumb li:first-child button")
    browser.until("canvas.main", "")
    assert browser.evaluate("breadcrumb.hidden")


def test_a_port_leads_to_the_other_end_of_its_edge(browser, pages):
    browser.open(pages["transformer"])
    head = browser.evaluate("graph.groups.find((group) => group.name.endsWith('head')).id")
    browser.evaluate(f"enter({json.dumps(head)})")
    browser.until("canvas.main", head)
    (source,) = json.loads(browser.evaluate("document.querySelector('#canvas .port.in').dataset.nodes"))
    browser.click("#canvas .port.in")
    browser.until("selected?.node?.id", source)
    assert browser.evaluate("canvas.main") != head
    browser.evaluate(f"enter({json.dumps(head)})")
    browser.click("#canvas .port.out")
    browser.until("selected?.node && !graph.groupsAround(selected.node.group).includes(" + json.dumps(head) + ")")


def test_twelve_blocks_begin_closed_in_the_open_model(browser, tmp_path):
    loss, _alive = transformer(12)
    path = tmp_path / "twelve.html"
    path.write_text(as_page(describe_graph([loss]), Look.of(), "twelve", "down"), encoding="utf-8")
    browser.open(path.as_uri())
    assert browser.evaluate("graph.nodes.length") > 200
    assert browser.evaluate(shown(f"{group('Transformer')}.open {node('head.linear')}".replace(" #canvas", "")))
    assert "12 × Block" in browser.evaluate(text(group("blocks")))
    assert browser.evaluate("document.querySelectorAll('#canvas :is(.node, .group)').length") < 15
    assert not browser.evaluate("canvas.scenes.has('blocks')")  # it is made when it is looked at
    browser.click(group("blocks") + " > .toggle")
    browser.until("canvas.main", "blocks")  # too large to be opened in place: the sign leads into it
    assert browser.evaluate("document.querySelectorAll('#canvas .group:not(.open)').length") == 12
    browser.evaluate("goTo(graph.nodes.findLast((node) => node.operation === 'layer_norm'))")
    assert browser.evaluate("canvas.elementOf(selected.node).matches('.node.selected')")
    assert browser.complaints() == []


def test_ids_may_be_any_text(browser, tmp_path):
    ids = ['a "b" c', "<d> & e", "f\\g"]
    nodes = [DrawnNode(ids[0], "variable"), *(DrawnNode(id, "operation", operation="exp", group="g h") for id in ids[1:])]
    nodes += [DrawnNode(f"out {i}", "operation", operation="exp", is_output=i == 1) for i in range(2)]
    ends = [(ids[0], ids[1]), (ids[0], ids[2]), (ids[1], "out 0"), (ids[1], "out 1")]
    description = Description(nodes, [DrawnEdge(a, b, "x", 0) for a, b in ends], [DrawnGroup("g h", "g", "G", "module", None)])
    path = tmp_path / "ids.html"
    path.write_text(as_page(description, Look.of(), "ids", "down"), encoding="utf-8")
    browser.open(path.as_uri())
    browser.evaluate("enter('g h')")
    browser.click("#canvas .port.out")
    browser.until(text("#panel h2"), "Goes to")
    browser.click("#panel section .link")
    browser.until("selected?.node?.id", "out 0")
    browser.evaluate("enter('g h')")
    browser.click("#canvas .port.in")
    browser.until("selected?.node?.id", ids[0])
    assert browser.complaints() == []


# ------------------------------------------------------------------------------------------------ search


def test_search_finds_by_name_operation_and_module_and_opens_what_it_must(browser, pages):
    browser.open(pages["transformer"])
    browser.press("/")
    browser.until("document.activeElement.id", "search")
    browser.press(*"softmax")
    browser.until("document.querySelectorAll('#hits [role=option]').length", 2)
    browser.press("ArrowDown", "Enter")
    browser.until("selected?.node?.operation", "softmax")
    assert "1.attention" in browser.evaluate("selected.node.module")
    assert browser.evaluate("canvas.elementOf(selected.node).matches('.node.selected')")
    assert browser.evaluate("hits.length === 0 || $('hits').hidden")
    browser.press("/", *"0.norm")
    browser.until("document.querySelectorAll('#hits [role=option]').length > 2")
    browser.press("Enter")
    browser.until("selected?.group?.name.endsWith('0.norm')")
    browser.press("/", *"nowhere")
    browser.until(text("#hits"), "nothing found")
    browser.press("Escape")
    browser.until("$('hits').hidden && document.activeElement.id !== 'search'")


# ------------------------------------------------------------------------------------------------ player


def said(browser):
    return browser.evaluate(text(PLAYER))


def test_the_player_walks_forwards_and_backwards(browser, pages):
    browser.open(pages["doubled"])
    steps = []
    browser.press("Home")
    for _ in range(browser.evaluate("player.steps.length")):
        steps.append((browser.evaluate(text(PHASE)), said(browser)))
        browser.press(".")
    assert [phase for phase, _ in steps] == [f"Forward {i}/3" for i in (1, 2, 3)] + [f"Backward {i}/7" for i in range(1, 8)]
    words = [words for _, words in steps]
    assert words[0] == "a is given: 3"
    assert words[1:3] == ["b = a + a = 3 + 3 = 6", "c = b × a = 6 × 3 = 18"]
    assert words[3].startswith("grad of c: 1")
    assert words[4] == "c (multiply) sends back to b: 1 × 3 = 3"
    assert words[5] == "c (multiply) sends back to a: 1 × 6 = 6; grad of a so far: 6 (1 of 3)"
    assert words[6].startswith("grad of b: 3")
    assert words[7] == "b (add) sends back to a through x1: 3 × 1 = 3; grad of a so far: 6 + 3 = 9 (2 of 3)"
    assert words[8] == "b (add) sends back to a through x2: 3 × 1 = 3; grad of a so far: 6 + 3 + 3 = 12 (3 of 3)"
    assert words[9].startswith("grad of a: 6 + 3 + 3 = 12")


def test_the_player_shows_where_it_is(browser, pages):
    browser.open(pages["doubled"])
    browser.press("Home")
    browser.until(shown(f"{node('a')}.now"))
    assert browser.evaluate(shown(f"{node('c')}.later"))
    browser.evaluate("player.go(8)")
    assert browser.evaluate(shown(f"{node('b')}.now-back"))
    assert browser.evaluate(shown(f"{node('a')}.receives"))
    assert browser.evaluate(text("#canvas .badge text")) == "6 + 3 + 3 = 12"
    assert browser.evaluate("document.querySelectorAll('#canvas .edge.now-back').length") >= 1
    browser.press("Escape")
    browser.until("player.active", False)
    assert not browser.evaluate(shown("#canvas :is(.badge, .now, .now-back, .later)"))


def test_play_pause_scrub_and_speed(browser, pages):
    browser.open(pages["doubled"])
    browser.evaluate("player.speed.value = '10'")
    browser.press(" ")
    browser.until("player.at === player.steps.length - 1 && player.timer === 0")
    browser.click("#player [data-player=play]")  # from the end it begins again
    browser.until("player.at < player.steps.length - 1 && player.timer !== 0")
    browser.click("#player [data-player=play]")
    browser.until("player.timer", 0)
    browser.evaluate("(() => { player.slider.value = 5; player.slider.dispatchEvent(new Event('input')); })()")
    assert browser.evaluate("player.at") == 5
    browser.click("#player [data-player=back]")
    browser.until("player.at", 4)
    browser.click("#player [data-player=close]")
    browser.until("player.active", False)


def test_the_player_uses_the_innermost_visible_group(browser, pages):
    browser.open(pages["transformer"])
    outer = browser.evaluate("graph.groups.find((group) => group.parent === null).id")
    browser.evaluate(f"canvas.toggle({json.dumps(outer)})")
    browser.evaluate("player.go(player.shownAt.get(graph.nodes.find((node) => node.operation === 'softmax')))")
    assert browser.evaluate(shown(f"{group(outer)}.now"))
    browser.evaluate("canvas.unfold(graph.groupsAround(graph.nodes.find((node) => node.operation === 'softmax').group))")
    assert not browser.evaluate(shown(f"{group(outer)}.now"))
    assert browser.evaluate("document.querySelector('#canvas .node.now').dataset.node") == browser.evaluate(
        "graph.nodes.find((node) => node.operation === 'softmax').id"
    )


def test_what_happens_in_one_closed_group_is_one_step(browser, pages):
    browser.open(pages["transformer"])
    outer = browser.evaluate("graph.groups.find((group) => group.parent === null).name")
    browser.evaluate("canvas.toggle(graph.groups.find((group) => group.parent === null).id)")
    browser.press(".")
    seen = []
    while True:
        seen.append(said(browser))
        before = browser.evaluate("player.at")
        browser.press(".")
        if browser.evaluate("player.at") == before:
            break
    assert 4 <= len(seen) < 12
    assert seen[0].startswith(f"in {outer}: ")
    assert any(words.startswith("loss = sum(") for words in seen)
    browser.press(",")
    browser.until(f"player.at < {before}")


def test_gradients_add_up_in_every_step(browser, pages):
    for name in ("doubled", "model", "transformer"):
        browser.open(pages[name])
        wrong = browser.evaluate("""graph.nodes.filter((node) => {
            const terms = graph.termsOf(node).map((edge) => edge.gradient);
            const sum = terms.length && terms.every(Boolean) ? sumOf(terms) : null;
            return sum && node.gradient && !node.output && !almostEqual(sum, node.gradient); }).map((node) => node.id)""")
        assert wrong == []


# ------------------------------------------------------------------------------------------------ paths


def test_paths_are_counted_multiplied_and_lit(browser, pages):
    browser.open(pages["doubled"])
    browser.click(node("a"))
    browser.until("panel.shown")
    browser.press("p")
    browser.until(shown("#canvas .on-path"))
    told = browser.evaluate(text(PANEL))
    assert "3 paths, over 3 nodes" in told
    assert browser.evaluate("paths.listed.map((path) => path.product)") == [6, 3, 3]
    assert "6 + 3 + 3 = 12" in told
    browser.click("#panel .path:nth-of-type(2)")
    browser.until("chosenPath", 1)
    factors = "[...document.querySelectorAll('#canvas .factor')].map((factor) => factor.textContent).sort()"
    assert browser.evaluate(factors) == ["×1", "×3"]
    browser.press("Escape")
    browser.until(shown("#canvas .on-path"), False)


def test_many_paths_are_counted_not_listed(browser, tmp_path):
    x = Tensor(1.0, requires_grad=True, name="x")
    with ad.trace():
        y = x
        for _ in range(40):
            y = y * y
    path = tmp_path / "many.html"
    path.write_text(as_page(describe_graph([y]), Look.of(), "many"), encoding="utf-8")
    browser.open(path.as_uri())
    browser.evaluate("showPaths(graph.byId.get('x'))")
    assert browser.evaluate("paths.count.toString()") == str(2**40)
    assert f"{2**40:,} paths" in browser.evaluate(text(PANEL))


def test_paths_of_arrays_say_where_to_go_for_products(browser, pages):
    browser.open(pages["model"])
    browser.evaluate("showPaths(graph.nodes.find((node) => node.role === 'parameter'))")
    assert browser.evaluate("paths.count.toString()") == "1"
    told = browser.evaluate(text(PANEL))
    assert "weight → 0.linear → 1.relu → 2.linear → loss" in told
    assert "explain" in told
    assert browser.evaluate("document.querySelectorAll('#canvas .edge.on-chosen').length") >= 4
    assert not browser.evaluate(shown("#canvas .factor"))
    on_path = "[...document.querySelectorAll('#canvas .port.on-path')].flatMap((port) => JSON.parse(port.dataset.nodes))"
    assert {"1.relu", "0.linear", "loss"} <= set(browser.evaluate(on_path))
    off = "[...document.querySelectorAll('#canvas .port:not(.on-path)')].flatMap((port) => JSON.parse(port.dataset.nodes))"
    assert set(browser.evaluate(off)) == {"constant"}


# ------------------------------------------------------------------------------------------------ the first view


def written(path, tensor, direction="down"):
    path.write_text(as_page(describe_graph([tensor]), Look.of(), "title", direction), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)], ids=str)
def test_a_long_graph_begins_at_its_beginning_and_can_be_read(browser, tmp_path, size):
    x = Tensor(0.5, requires_grad=True, name="x")
    with ad.trace():
        y = x
        for _ in range(40):
            y = np.tanh(y) + x
    browser.open(written(tmp_path / "long.html", y), size, phone=size[0] < 720)
    assert browser.evaluate("canvas.scale") >= 0.6
    stage, first = edges(browser, "#canvas"), edges(browser, node("x"))
    assert stage["top"] <= first["top"] <= stage["top"] + 60
    assert stage["left"] <= first["left"] < first["right"] <= stage["right"]
    browser.click("#fit")
    browser.until("canvas.scale < 0.3")
    browser.evaluate("goTo(graph.nodes.at(-1))")
    assert edges(browser, node(browser.evaluate("graph.nodes.at(-1).id")))["bottom"] <= edges(browser, "#canvas")["bottom"]


def test_what_is_all_there_is_begins_open_however_large_it_is(browser, tmp_path):
    class Long(nn.Module):
        def forward(self, x):
            for _ in range(120):
                x = np.tanh(x)
            return x

    class Around(nn.Module):
        def __init__(self):
            self.inner = Long()

        def forward(self, x):
            return self.inner(x)

    x = Tensor(0.5, requires_grad=True, name="x")
    browser.open(written(tmp_path / "alone.html", Around()(x) * 2.0))
    assert browser.evaluate("document.querySelectorAll('#canvas .group.open').length") == 2
    assert browser.evaluate("document.querySelectorAll('#canvas .node').length") == 123


def test_parameters_are_given_and_what_they_get_at_once_is_one_step(browser, pages):
    browser.open(pages["model"])
    kinds = browser.evaluate("player.steps.filter(({node}) => node.role === 'parameter').map(({kind}) => kind)")
    assert kinds == []
    sources = "player.steps.filter(({edge}) => edge).map(({edge}) => edge.source)"
    received = browser.evaluate(f"{sources}.filter((node) => node.role === 'parameter').map((node) => node.id)")
    assert sorted(received) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    browser.evaluate("goTo(graph.byId.get('0.weight'))")
    browser.click("#panel .actions button:nth-of-type(2)")
    assert "sends back to weight" in said(browser)
    assert "lambda" not in said(browser)
    assert not browser.evaluate(shown(f"{node('0.weight')}.no-gradient-yet"))


def test_a_screen_reader_hears_value_and_gradient(browser, pages):
    browser.open(pages["doubled"])
    browser.press("ArrowRight", "ArrowRight")
    browser.until(shown(f"{node('b')}:focus"))
    assert browser.evaluate("document.activeElement.getAttribute('aria-label')") == "b, add, value 6, gradient 3"


# ------------------------------------------------------------------------------------------------ keys, fingers, screens


def test_everything_can_be_done_with_keys(browser, pages):
    browser.open(pages["doubled"])
    browser.press("ArrowRight")
    browser.until(shown(f"{node('a')}:focus"))
    browser.press("ArrowRight")
    browser.until(shown(f"{node('b')}:focus"))
    browser.press("ArrowRight")
    browser.until(shown(f"{node('c')}:focus"))
    assert not browser.evaluate("panel.shown")  # walking does not open what was not open
    browser.press("Enter")
    browser.until(text("#panel h2"), "c")
    browser.press("ArrowLeft")
    browser.until(text("#panel h2"), "b")  # but it follows
    browser.press("Escape")
    browser.until("panel.shown", False)
    browser.press("?")
    browser.until("help.open")
    browser.press("Escape")
    browser.until("help.open", False)
    before = browser.evaluate("canvas.scale")
    browser.press("+")
    browser.until(f"canvas.scale > {before}")
    assert browser.evaluate("document.querySelectorAll('#canvas [tabindex=\"0\"]').length") == 1


def test_keys_lead_into_a_group_and_back(browser, pages):
    browser.open(pages["transformer"])
    outer = browser.evaluate("graph.groups.find((group) => group.parent === null).id")
    browser.evaluate(f"canvas.boxes.get({json.dumps(outer)}).focus()")
    browser.press("Enter")
    browser.until("canvas.main", outer)
    assert browser.evaluate("document.activeElement.closest('#canvas') !== null")
    browser.press("Escape")
    browser.until("canvas.main", "")
    assert browser.evaluate(shown(f"{group(outer)}:focus"))


def test_wheel_and_drag_move_the_view(browser, pages):
    browser.open(pages["doubled"])
    x, y = browser.place("#canvas")
    before = browser.evaluate("canvas.scale")
    browser.send("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-100)
    browser.until(f"canvas.scale > {before}")
    left = browser.evaluate("canvas.x")
    browser.send("Input.dispatchMouseEvent", type="mousePressed", x=100, y=100, button="left", clickCount=1)
    for step in range(1, 5):
        browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=100 + 20 * step, y=100, button="left", buttons=1)
    browser.send("Input.dispatchMouseEvent", type="mouseReleased", x=180, y=100, button="left", clickCount=1)
    browser.until("canvas.x", left + 80)
    assert browser.evaluate("selected") is None


def test_two_fingers_zoom(browser, pages):
    browser.open(pages["doubled"], (390, 844), phone=True)
    before = browser.evaluate("canvas.scale")

    def touch(kind, *points):
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        browser.send("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    touch("touchStart", (150, 300), (200, 300))
    for spread in (20, 40, 60):
        touch("touchMove", (150 - spread, 300), (200 + spread, 300))
    touch("touchEnd")
    browser.until(f"canvas.scale > 1.5 * {before}")


@pytest.mark.parametrize("name", ["doubled", "transformer", "hostile"])
@pytest.mark.parametrize("size", [(390, 844), (320, 568), (1280, 720)], ids=str)
def test_nothing_sticks_out_of_any_screen(browser, pages, name, size):
    browser.open(pages[name], size, phone=size[0] < 720)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("document.documentElement.scrollHeight <= innerHeight")
    browser.evaluate("(() => { goTo(graph.nodes.at(-1)); player.go(player.steps.length - 2); })()")
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("panel.body.scrollWidth <= panel.body.clientWidth")
    for part in ("#top", "#panel", "#player", "#close-panel", "#player [data-player=play]", "#player [data-player=close]"):
        box = edges(browser, part)
        assert box["left"] >= 0, part
        assert box["right"] <= size[0] + 0.5, part
        assert box["top"] >= 0, part
        assert box["bottom"] <= size[1] + 0.5, part


def test_on_a_phone_details_are_a_sheet_at_the_bottom(browser, pages):
    browser.open(pages["doubled"], (390, 844), phone=True)
    browser.evaluate("goTo(graph.byId.get('b'))")
    panel = edges(browser, "#panel")
    assert (panel["left"], panel["width"]) == (0, 390)
    assert panel["top"] > 300
    assert edges(browser, node("b"))["bottom"] <= panel["top"]  # what it is about is not covered


def test_light_and_dark(browser, pages):
    background = "getComputedStyle(document.documentElement).backgroundColor"
    lightness = f"(([r, g, b]) => (r + g + b) / 3)({background}.match(/\\d+/g).map(Number))"
    browser.open(pages["doubled"])
    assert browser.evaluate(lightness) > 240
    browser.press("t")
    browser.until(f"{lightness} < 60")
    browser.open(pages["doubled"], dark=True)
    assert browser.evaluate(lightness) < 60
    browser.click("#theme")
    browser.until(f"{lightness} > 240")
