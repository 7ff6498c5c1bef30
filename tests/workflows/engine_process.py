"""An engine in a process of its own, for tests that kill it: LAKE SCHEDULER RECIPES."""

import sys
import time
from pathlib import Path

from distributed import Client

from boathouse.catalogs.lake import open_lake
from boathouse.workflows.local import open_automation
from boathouse.workflows.recipes import Shelf

if __name__ == "__main__":
    lake = open_lake(sys.argv[1], user="ann")
    with Client(sys.argv[2]):  # where the jobs run, and go on when this process is killed
        automation = open_automation(lake, shelf=Shelf(Path(sys.argv[3])))
        automation.start()
        print("ready", flush=True)
        while True:
            time.sleep(60)
