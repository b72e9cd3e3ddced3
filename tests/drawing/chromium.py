"""A headless Chromium, driven over the DevTools protocol through a pair of pipes: enough to test a page, with nothing installed.

https://chromedevtools.github.io/devtools-protocol/ lists the commands and events.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads commands from descriptor 3 and writes answers to descriptor 4.
START = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
PATIENCE = 60.0  # seconds for an answer, or for a condition to become true


def program() -> str | None:
    """Return the path of a Chromium or Chrome, None where there is none."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


class Chromium:
    """A running browser with one tab."""

    def __init__(self, process: subprocess.Popen[bytes], commands: int, answers: int):
        self._process, self._commands, self._answers = process, commands, answers
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(end - time.monotonic(), 0))
            if not ready:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                raise RuntimeError("the browser has gone")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def until(self, expression: str, expected: Any = True) -> Any:
        """Wait until the expression has the expected value."""
        end = time.monotonic() + PATIENCE
        while (value := self.evaluate(expression)) != expected:
            if time.monotonic() > end:
                raise AssertionError(f"{expression} is {value!r}, not {expected!r}; complaints: {self.complaints()}")
        return value

    def open(self, url: str, size: tuple[int, int] = (1280, 720), dark: bool = False, phone: bool = False) -> None:
        """Load a page, and wait until it is ready; what was heard before is forgotten."""
        self.send("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=phone)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Page.navigate", url="about:blank")
        self.until("location.href", "about:blank")
        self.events.clear()
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && document.documentElement.classList.contains('ready')")

    def click(self, selector: str, times: int = 1) -> None:
        """Click with the mouse on the middle of an element, where nothing else may cover it."""
        x, y = self.place(selector)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def place(self, selector: str) -> tuple[float, float]:
        """Return the middle of an element's box on the screen."""
        found = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        assert found is not None, f"no element {selector}"
        return found[0], found[1]

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by the names that KeyboardEvent.key has."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = {"Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35}.get(key, ord(key.upper()) if len(key) == 1 else 0)
            parts: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code if key.isalnum() or key == " " else 0}
            self.send("Input.dispatchKeyEvent", type="keyDown", **parts, **({"text": text} if text else {}))
            self.send("Input.dispatchKeyEvent", type="keyUp", **parts)

    def screenshot(self) -> bytes:
        """Return a PNG of what is seen."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def complaints(self) -> list[str]:
        """Return what went to the console, uncaught exceptions, and violations of the page's policy, since `open`."""
        self.evaluate("0")  # what is under way arrives before the answer
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"]))
            elif event.get("method") in ("Runtime.consoleAPICalled", "Log.entryAdded"):
                found.append(json.dumps(event["params"]))
        return found

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since `open`, but those that the page's policy held back."""
        self.evaluate("0")
        asked = {}
        for event in self.events:
            if event.get("method") == "Network.requestWillBeSent":
                asked[event["params"]["requestId"]] = event["params"]["request"]["url"]
            elif event.get("method") == "Network.loadingFailed" and event["params"].get("blockedReason") == "csp":
                del asked[event["params"]["requestId"]]
        return list(asked.values())


@contextlib.contextmanager
def chromium() -> Iterator[Chromium]:
    """Start a browser with a profile of its own, and end it."""
    path = program()
    if path is None:
        raise FileNotFoundError(f"none of {', '.join(PROGRAMS)} on the PATH")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        read_commands, commands = os.pipe()
        answers, write_answers = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(read_commands), str(write_answers), path, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(read_commands, write_answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_commands)
        os.close(write_answers)
        try:
            browser = Chromium(process, commands, answers)
            yield browser
            with contextlib.suppress(RuntimeError, TimeoutError, OSError):
                browser._session = None
                browser.send("Browser.close")
        finally:
            os.close(commands)
            os.close(answers)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
