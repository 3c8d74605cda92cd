"""A real Chromium without a screen, driven over WebDriver (W3C) by the chromedriver of the same package.

    with Chromium(directory) as browser:
        browser.open(path)
        browser.evaluate("return document.title")

Everything that is not a file is refused: no name resolves, and each address, loopback too, is asked of a proxy at a
port that nothing listens on. What a page tried all the same stands in `requests()`.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import requests

from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, ComponentError, Process, find_program

_TOOL: Final = "chromium"
_TIMEOUT_S: Final = 90.0


class Request(NamedTuple):
    """What a page asked for."""

    address: str
    failed: bool
    """It never came: refused by the network, or by the page's own policy."""


class Chromium(Component):
    """One window. `directory` is its own: its profile, its caches and the driver's log."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet."""
        self._directory = directory
        self._binary = find_program("chromium", _TOOL)
        self._port = free_port()
        self._nobody = free_port()
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of this machine's is not for its own loopback
        self._session = ""
        self.process = Process(
            [find_program("chromedriver", _TOOL), f"--port={self._port}"],
            log=directory / "chromedriver.log",
            env={"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "XDG_CACHE_HOME": str(directory)},
            name="chromedriver",
        )

    def _arguments(self) -> list[str]:
        arguments = [
            "--headless=new",
            f"--user-data-dir={self._directory / 'profile'}",
            f"--proxy-server={HOST}:{self._nobody}",
            "--proxy-bypass-list=<-loopback>",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",  # a container's /dev/shm may be too small
            "--disable-gpu",
            "--disable-sync",
            "--force-color-profile=srgb",
            "--force-device-scale-factor=1",
            "--no-first-run",
        ]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium refuses root with its sandbox
        return arguments

    def start(self) -> Self:
        """Start the driver, and a browser by it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.process.start()
        self.process.wait_until(lambda: accepts(self._port), what="accepting connections")
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": self._binary, "args": self._arguments()},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._ask("POST", "session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"session/{made['sessionId']}"
        return self

    def kill(self) -> None:
        """SIGKILL to the driver and to the browser that it started."""
        self._http.close()
        self.process.kill()

    # ------------------------------------------------------------ the page

    def open(self, path: Path) -> None:
        """Load a file and wait until it is shown. What was told of the page before is forgotten."""
        self.messages()
        self._performance()
        self._ask("POST", f"{self._session}/url", {"url": path.resolve().as_uri()})

    def evaluate(self, script: str, *arguments: object) -> Any:
        """What the body of a function returns in the page, as JSON has it."""
        body = {"script": script, "args": list(arguments)}
        return self._ask("POST", f"{self._session}/execute/sync", body)

    def click(self, selector: str) -> None:
        """Click the first element that a CSS selector finds, as a person does: it must be in the way of nothing."""
        found = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        (element,) = found.values()
        self._ask("POST", f"{self._session}/element/{element}/click", {})

    def show(
        self,
        width: int,
        height: int = 900,
        *,
        dark: bool = False,
        scripts: bool = True,
        media: str = "screen",
    ) -> None:
        """How the pages opened from now on are shown: window in CSS pixels, colour scheme, scripts or none, medium."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setDeviceMetricsOverride", size)
        self.devtools("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        self.devtools("Emulation.setScriptExecutionDisabled", {"value": not scripts})

    def screenshot(self, path: Path) -> Path:
        """The whole page as PNG."""
        shot = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def messages(self) -> list[str]:
        """What the console was told since it was last asked: errors, refused requests, violated policies."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[Request]:
        """What was asked for since `open`, the page itself first."""
        asked: dict[str, str] = {}
        failed: set[str] = set()
        for event in self._performance():
            about = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                asked[about["requestId"]] = about["request"]["url"]
            elif event["method"] == "Network.loadingFailed":
                failed.add(about["requestId"])
        return [Request(address, number in failed) for number, address in asked.items()]

    def devtools(self, command: str, parameters: Mapping[str, object]) -> Any:
        """One command of the DevTools protocol."""
        body = {"cmd": command, "params": dict(parameters)}
        return self._ask("POST", f"{self._session}/goog/cdp/execute", body)

    # ------------------------------------------------------------ the wire

    def _performance(self) -> list[dict[str, Any]]:
        return [json.loads(entry["message"])["message"] for entry in self._log("performance")]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found = self._ask("POST", f"{self._session}/se/log", {"type": kind})
        assert isinstance(found, list)
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        address = f"http://{HOST}:{self._port}/{path}"
        try:
            answer = self._http.request(method, address, json=body, timeout=_TIMEOUT_S)
            value = answer.json()["value"]
        except (requests.RequestException, ValueError, KeyError) as error:
            raise ComponentError(f"chromedriver: {path}: {error}\n{self.process.log_tail()}") from error
        if answer.status_code != 200:
            raise ComponentError(f"chromedriver: {path}: {value['error']}: {value['message'][:500]}")
        return value
