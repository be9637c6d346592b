"""The ASGI app (`uvicorn service:app`) and `python service.py`."""

from __future__ import annotations

from cds_rules.service.app import create_app
from cds_rules.service.run import main

if __name__ == "__main__":
    main()
else:
    app = create_app()
