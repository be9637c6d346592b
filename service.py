"""The ASGI app (`uvicorn service:app`) and `python service.py`."""

from __future__ import annotations

if __name__ == "__main__":
    from cds_rules.service.run import main

    main()
elif __name__ != "__mp_main__":  # a worker process builds its own, by the factory it is told
    from cds_rules.service.app import create_app

    app = create_app()
