"""The JSON Schema of the connection file. `python -m schema.connection_file` writes it again from the code."""

import json
from pathlib import Path
from typing import Final

from worker.connection_file import schema

PATH: Final = Path(__file__).with_name("connection-file.schema.json")


def written() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
