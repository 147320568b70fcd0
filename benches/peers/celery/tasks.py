"""A Celery worker that asks for feedback: a row, a text or an email, the row again, and only then the ack.

Settings follow Celery's "Optimizing", "Using RabbitMQ: quorum queues" and FAQ (acks_late); README.md beside
the peers lists them. `run` starts it, `web.py` takes the receipts, envelope.md says how to publish to it.
"""

import base64
import html
import json
import os
import threading

import psycopg
import urllib3
from celery import Celery
from celery.utils.log import get_task_logger
from kombu import Exchange, Queue

env = os.environ
QUEUE, SID, TOKEN = env["QUEUE"], env["ACCOUNT_SID"], env["AUTH_TOKEN"]
PROVIDER_URL, PUBLIC_URL = env["PROVIDER_URL"].rstrip("/"), env["PUBLIC_URL"].rstrip("/")
FROM_NUMBER = env.get("FROM_NUMBER", "+15005550006")
MAIL_DOMAIN = env.get("MAIL_DOMAIN", "mg.example.com")

app = Celery("peers", broker=env["AMQP_URL"])
app.conf.update(
    # A topic exchange, because the delayed delivery that retries use on quorum queues needs one.
    task_queues=[Queue(QUEUE, Exchange(QUEUE, type="topic"), routing_key=QUEUE,
                       queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue=QUEUE,
    task_default_exchange=QUEUE,
    task_default_exchange_type="topic",
    task_default_routing_key=QUEUE,
    worker_detect_quorum_queues=True,  # prefetch per consumer: quorum queues have no global one
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=int(env.get("PREFETCH", "64")),  # many short tasks: 50 to 150
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_ignore_result=True,
    worker_disable_rate_limits=True,
)

# One statement, hence one commit: the reservation decides the row's status; a key that was seen
# before changes nothing and returns nothing.
ACCEPT = """
with slot as (
  insert into asked (address, key)
  select %(address)s, %(key)s where not exists (select from request where key = %(key)s)
  on conflict (address) do update set key = excluded.key, asked_at = now()
    where asked.asked_at < now() - interval '30 days'
  returning 1)
insert into request (key, channel, name, address, employee, interaction, status)
values (%(key)s, %(channel)s, %(name)s, %(address)s, %(employee)s, %(interaction)s,
        case when exists (select from slot) then 'queued' else 'suppressed' end)
on conflict (key) do nothing
returning id, status"""

# A receipt can be faster than this: what it wrote stays.
SENT = """update request set provider_id = %s, sent_at = now(),
  status = case when status = 'queued' then 'sent' else status end where id = %s"""
FAILED = "update request set status = 'failed' where id = %s and status = 'queued'"

logger = get_task_logger(__name__)
# Per process or thread, as the pool has it: made at first use, so after the fork.
local = threading.local()
http = urllib3.PoolManager(maxsize=int(env.get("CONCURRENCY", "8")), timeout=10.0)


def database():
    if getattr(local, "connection", None) is None or local.connection.closed:
        local.connection = psycopg.connect(env["DATABASE_URL"], autocommit=True)
    return local.connection


@app.task(name="peers.ask", bind=True, autoretry_for=(psycopg.OperationalError,), retry_backoff=True,
          max_retries=None)
def ask(self, job):
    customer = job["customer"]
    address = customer.get("phone") or customer["email"]
    row = database().execute(ACCEPT, {
        "key": self.request.id, "channel": job["channel"], "name": customer.get("name"), "address": address,
        "employee": job["employee"]["email"], "interaction": job.get("ext_interaction_id"),
    }).fetchone()
    if row is None or row[1] != "queued":
        return  # seen before, or asked within 30 days
    request = row[0]
    send = send_sms if customer.get("phone") else send_email
    try:
        provider_id = send(request, job, address)
    except urllib3.exceptions.HTTPError as problem:
        logger.error("no answer: %s", problem)
        provider_id = None
    if provider_id:
        database().execute(SENT, (provider_id, request))
    else:
        database().execute(FAILED, (request,))


def send_sms(request, job, to):
    text = (f"Hi {job['customer'].get('name', 'there')}, how did {job['employee']['email']} do? "
            f"{PUBLIC_URL}/f/{request} Reply STOP to opt out.")
    return post(f"/2010-04-01/Accounts/{SID}/Messages.json", SID, 201, "sid", {
        "To": to, "From": FROM_NUMBER, "Body": text,
        "StatusCallback": f"{PUBLIC_URL}/twilio/status?id={request}"})


def send_email(request, job, to):
    name, employee, link = job["customer"].get("name", "there"), job["employee"]["email"], f"{PUBLIC_URL}/f/{request}"
    return post(f"/v3/{MAIL_DOMAIN}/messages", "api", 200, "id", {
        "from": f"Feedback <feedback@{MAIL_DOMAIN}>", "to": to, "subject": "How did we do?",
        "text": f"Hi {name},\n\nhow did {employee} do?\n{link}\n",
        "html": f"<p>Hi {html.escape(name)},</p><p>how did {html.escape(employee)} do?</p>"
                f'<p><a href="{link}">Tell us</a></p>'})


def post(path, user, status, id_field, form):
    """The provider's id of the message, or None where it was refused."""
    answer = http.request("POST", PROVIDER_URL + path, fields=form, encode_multipart=False, redirect=False,
                          headers={"Authorization": AUTHORIZATION[user]})
    return json.loads(answer.data)[id_field] if answer.status == status else None


AUTHORIZATION = {user: "Basic " + base64.b64encode(f"{user}:{TOKEN}".encode()).decode() for user in (SID, "api")}
