"""The fault plan over HTTP."""

from aiohttp import web

from simulator.control.requests import read_json, refuse
from simulator.runtime import RUNTIME


async def get_faults(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.app[RUNTIME].faults.to_json())


async def put_faults(request: web.Request) -> web.StreamResponse:
    faults = request.app[RUNTIME].faults
    plan = await read_json(request)
    try:
        faults.load(plan)
    except (ValueError, TypeError) as error:
        raise refuse(400, str(error)) from None
    return web.json_response(faults.to_json())


async def add_fault(request: web.Request) -> web.StreamResponse:
    faults = request.app[RUNTIME].faults
    rule = await read_json(request)
    try:
        faults.append(request.match_info["kind"], rule)
    except (ValueError, TypeError) as error:
        raise refuse(400, str(error)) from None
    return web.json_response(faults.to_json(), status=201)


async def clear_faults(request: web.Request) -> web.StreamResponse:
    request.app[RUNTIME].faults.clear()
    return web.Response(status=204)


async def put_latency(request: web.Request) -> web.StreamResponse:
    """Change latency_ms and jitter_ms alone; the rules and their counters stay."""
    faults = request.app[RUNTIME].faults
    data = await read_json(request)
    try:
        faults.latency_ms = float(data.get("latency_ms", faults.latency_ms))
        faults.jitter_ms = float(data.get("jitter_ms", faults.jitter_ms))
    except (TypeError, ValueError):
        raise refuse(400, "latency_ms and jitter_ms must be numbers") from None
    return web.json_response({"latency_ms": faults.latency_ms, "jitter_ms": faults.jitter_ms})
