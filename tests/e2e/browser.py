"""Prefect's page in a real browser, and how its parts are found. Used by several tests; holds none itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.served import Served, chromium

WIDTH, HEIGHT = 1400, 900


@contextmanager
def opened(*arguments: str) -> Iterator[Any]:
    """A page of a browser, started with ``arguments``, that waits for whatever is looked for."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*sandbox, *arguments])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()


def log_in(page: Any, address: str, login: str) -> None:
    """As a person does the first time; ends on the list of what can be done."""
    page.goto(f"{address}/deployments")
    page.locator("input[type=password]").fill(login)
    press(page, "Login")
    page.wait_for_url(f"{address}/deployments")


def open_form(page: Any, served: Served, deployment: str) -> None:
    page.goto(f"{served.address}/deployments")
    page.get_by_role("link", name=deployment, exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run", exact=True).click()


def field(page: Any, title: str) -> Any:
    """A field of the form by its title. Prefect's own parts are no ARIA ones; what holds is the text that is seen."""
    return page.locator(".schema-form-property").filter(has=page.get_by_text(re.compile(rf"^{title}( \(|$)"))).last


def choose(page: Any, title: str, option: str) -> None:
    field(page, title).locator(".p-select-button__control").focus()
    page.keyboard.press("ArrowDown")  # opens it; a click closes it again at once
    page.get_by_text(option, exact=True).last.click()


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).last.click()
