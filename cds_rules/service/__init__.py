"""HTTP around the hooks: routes, limits, errors, CORS, samples, start-up.

Flows in: HTTP requests. Flows out: JSON. Floor: edge. The only door to starlette and uvicorn.
"""
