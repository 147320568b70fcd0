"""Twilio's status callbacks: the signature is checked, and one UPDATE moves the row forward.

`run web` starts it under uvicorn (uvloop, httptools). The rows are `tasks.py`'s.
"""

import base64
import hashlib
import hmac
import os
import uuid
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

env = os.environ
TOKEN, PUBLIC_URL = env["AUTH_TOKEN"].encode(), env["PUBLIC_URL"].rstrip("/")

# Only forward: what a receipt may follow.
AFTER = {
    "sent": ["queued"],
    "delivered": ["queued", "sent"],
    "failed": ["queued", "sent"],
    "undelivered": ["queued", "sent"],
}
RECEIPT = """update request set status = %(status)s,
  delivered_at = case when %(status)s = 'delivered' then now() end
  where id = %(id)s and status = any(%(after)s)"""

pool = AsyncConnectionPool(env["DATABASE_URL"], open=False, min_size=2, max_size=int(env.get("PG_POOL", "10")),
                           kwargs={"autocommit": True})


@asynccontextmanager
async def lifespan(_app):
    async with pool:
        yield


def signature(url, form):
    """Twilio, "Validating Requests": the URL, then each field's name and value, sorted by name."""
    text = url + "".join(name + value for name, value in sorted(form))
    return base64.b64encode(hmac.new(TOKEN, text.encode(), hashlib.sha1).digest())


async def status(request):
    form = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    expected = signature(f"{PUBLIC_URL}{request.url.path}?{request.url.query}", form)
    if not hmac.compare_digest(expected, request.headers.get("x-twilio-signature", "").encode()):
        return Response(status_code=403)
    try:
        id = uuid.UUID(request.query_params["id"])
    except (KeyError, ValueError):
        return Response(status_code=404)
    status = dict(form).get("MessageStatus")
    if status in AFTER:
        written = "failed" if status == "undelivered" else status
        async with pool.connection() as connection:
            await connection.execute(RECEIPT, {"status": written, "id": id, "after": AFTER[status]})
    return Response(status_code=204)


app = Starlette(routes=[Route("/twilio/status", status, methods=["POST"])], lifespan=lifespan)
