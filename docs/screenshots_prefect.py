"""Takes the pictures of Prefect's pages for these docs: `python docs/screenshots_prefect.py [NAMES]`, after some runs.

It needs what docs/screenshots.py needs, and the servers of `make up` in the folder that it runs in, or
$PREFECT_API_URL.
"""

import sys
import time
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterTags,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.settings import get_current_settings
from screenshots import DATASET, IMAGES, SECONDS, browser
from selenium import webdriver
from selenium.webdriver.common.by import By

LARGEST = 250_000  # bytes of a picture


def newest_retraining(client: SyncPrefectClient) -> UUID:
    """The retraining that ended last, and trained."""
    completed = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Completed"]))
    [run] = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
        flow_run_filter=FlowRunFilter(state=completed),
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=["ncf"])),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )
    return run.id


@dataclass(frozen=True)
class Page:
    """What is to be seen.

    Attributes:
        path: below the UI's address.
        height: of the window, in pixels.
        tab: of the page; empty for the one that it opens with.
    """

    path: str
    height: int = 1300
    tab: str = ""


def newest_table(client: SyncPrefectClient) -> UUID:
    """The table of models of the last retraining."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[f"{DATASET}-models"]))
    [found] = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)
    return found.id


def pages(run: UUID, table: UUID) -> dict[str, Page]:
    """Each page by the name of its picture."""
    return {
        "runs": Page("runs", 1500),
        "retraining": Page(f"runs/flow-run/{run}", 1200),
        "artifacts": Page(f"runs/flow-run/{run}", 1500, "artifacts"),
        "table": Page(f"artifacts/artifact/{table}", 900),
        "deployments": Page("deployments"),
        "automations": Page("automations"),
    }


def take(driver: webdriver.Chrome, name: str, address: str, page: Page) -> None:
    """Open a page, and keep what is seen."""
    driver.set_window_size(1500, page.height)
    driver.get("about:blank")
    driver.get(f"{address}/{page.path}")
    time.sleep(2 * SECONDS)  # a run's stages are drawn last
    if page.tab:
        tabs = driver.find_elements(By.CSS_SELECTOR, "[role=tab], button, a, li")
        named = [each for each in tabs if each.text.strip().lower() == page.tab]
        assert named, f"no tab {page.tab} among {[each.text for each in tabs]}"
        named[0].click()
        time.sleep(SECONDS)
    path = IMAGES / f"prefect_{name}.png"
    driver.save_screenshot(str(path))
    assert path.stat().st_size < LARGEST, f"{path} has {path.stat().st_size} bytes"


def main(names: list[str]) -> None:
    """Take these pictures, or all."""
    address = str(get_current_settings().ui_url)
    with get_client(sync_client=True) as client, browser() as driver:
        for name, page in pages(newest_retraining(client), newest_table(client)).items():
            if name in names or not names:
                take(driver, name, address, page)


if __name__ == "__main__":
    main(sys.argv[1:])
