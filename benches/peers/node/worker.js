'use strict';
// A Node worker that asks for feedback: a row, a text or an email, the row again, and only then the ack.
//
// CONCURRENCY is the consumer's prefetch: so many jobs are in hand at a time. Invariant: a message is
// acknowledged only after its last commit. `web.js` takes the receipts, ../schema.sql has the tables.

const { setTimeout: sleep } = require('node:timers/promises');
const amqp = require('amqplib');
const { Agent, request: call } = require('undici');
const { settings, database, inProcesses } = require('./settings');

// One statement, hence one commit: the reservation decides the row's status; a key that was seen
// before changes nothing and returns nothing. Named statements are prepared once per connection.
const ACCEPT = {
  name: 'accept',
  text: `
with slot as (
  insert into asked (address, key)
  select $4, $1 where not exists (select from request where key = $1)
  on conflict (address) do update set key = excluded.key, asked_at = now()
    where asked.asked_at < now() - interval '30 days'
  returning 1)
insert into request (key, channel, name, address, employee, interaction, status)
values ($1, $2, $3, $4, $5, $6, case when exists (select from slot) then 'queued' else 'suppressed' end)
on conflict (key) do nothing
returning id, status`,
};
// A receipt can be faster than this: what it wrote stays.
const SENT = {
  name: 'sent',
  text: `update request set provider_id = $2, sent_at = now(),
    status = case when status = 'queued' then 'sent' else status end where id = $1`,
};
const FAILED = { name: 'failed', text: "update request set status = 'failed' where id = $1 and status = 'queued'" };

const { providerUrl, publicUrl, accountSid, authToken, fromNumber, mailDomain, concurrency } = settings;
const db = database();
// undici is Node's own HTTP client; one call at a time per connection, as many connections as jobs.
const dispatcher = new Agent({ connections: concurrency, pipelining: 1, headersTimeout: 10_000, bodyTimeout: 10_000 });
const basic = (user) => `Basic ${Buffer.from(`${user}:${authToken}`).toString('base64')}`;

async function ask(key, job) {
  const { customer, employee, channel, ext_interaction_id: interaction } = job;
  const address = customer.phone ?? customer.email;
  const values = [key, channel, customer.name, address, employee.email, interaction];
  const { rows: [row] } = await db.query({ ...ACCEPT, values });
  if (row?.status !== 'queued') return; // seen before, or asked within 30 days
  const send = customer.phone ? sendSms : sendEmail;
  const providerId = await send(row.id, job, address).catch((problem) => { console.error(problem.message); });
  await db.query(providerId ? { ...SENT, values: [row.id, providerId] } : { ...FAILED, values: [row.id] });
}

function sendSms(id, { customer, employee }, to) {
  return post(`/2010-04-01/Accounts/${accountSid}/Messages.json`, basic(accountSid), 201, 'sid', {
    To: to,
    From: fromNumber,
    Body: `Hi ${customer.name ?? 'there'}, how did ${employee.email} do? ${publicUrl}/f/${id} Reply STOP to opt out.`,
    StatusCallback: `${publicUrl}/twilio/status?id=${id}`,
  });
}

function sendEmail(id, { customer, employee }, to) {
  const name = customer.name ?? 'there';
  const link = `${publicUrl}/f/${id}`;
  return post(`/v3/${mailDomain}/messages`, basic('api'), 200, 'id', {
    from: `Feedback <feedback@${mailDomain}>`,
    to,
    subject: 'How did we do?',
    text: `Hi ${name},\n\nhow did ${employee.email} do?\n${link}\n`,
    html: `<p>Hi ${escape(name)},</p><p>how did ${escape(employee.email)} do?</p><p><a href="${link}">Tell us</a></p>`,
  });
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** The provider's id of the message, or undefined where it was refused. */
async function post(path, authorization, accepted, idField, form) {
  const { statusCode, body } = await call(providerUrl + path, {
    dispatcher,
    method: 'POST',
    headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });
  if (statusCode === accepted) return (await body.json())[idField];
  await body.dump(); // an answer that is not read would hold its connection
}

async function main() {
  const connection = await amqp.connect(settings.amqpUrl);
  connection.on('error', (problem) => { console.error(problem); process.exit(1); });
  const channel = await connection.createChannel();
  await channel.assertQueue(settings.queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  await channel.prefetch(concurrency);

  const inHand = new Set();
  const handle = async (message) => {
    let job;
    try {
      job = JSON.parse(message.content);
    } catch (problem) {
      console.error('refused', message.properties.messageId, problem.message);
      return channel.nack(message, false, false);
    }
    try {
      await ask(message.properties.messageId, job);
      channel.ack(message);
    } catch (problem) { // the database is away: the broker keeps the job
      console.error(problem.message);
      await sleep(1_000);
      channel.nack(message);
    }
  };
  const { consumerTag } = await channel.consume(settings.queue, (message) => {
    if (message === null) process.exit(1); // the queue was deleted
    const work = handle(message).finally(() => inHand.delete(work));
    inHand.add(work);
  });

  process.once('SIGTERM', async () => {
    await channel.cancel(consumerTag);
    await Promise.all(inHand);
    await channel.close(); // every ack is written before this is answered
    await connection.close();
    await db.end();
    process.exit(0);
  });
}

inProcesses(main);
