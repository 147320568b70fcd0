'use strict';
// Tries one peer for real: a small provider, a database and a queue of its own, 200 jobs, and every rule
// asked for once. `node/run check celery|node [sms|email]`; needs DATABASE_URL and AMQP_URL. Jobs are
// published with plain amqplib, as a foreign publisher would (celery/envelope.md).

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { createHmac, randomUUID } = require('node:crypto');
const http = require('node:http');
const path = require('node:path');
const amqp = require('amqplib');
const pg = require('pg');

const [peer, medium = 'sms'] = process.argv.slice(2);
const JOBS = Number(process.env.JOBS ?? 200);
const [SID, TOKEN] = ['ACcheck', 'check-token'];
const name = `peers_check_${process.pid}`;
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function listen(handler) {
  return new Promise((done) => {
    const server = http.createServer(handler).listen(0, '127.0.0.1', () => done(server));
  });
}

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

const COURIERS = 8;
const calls = [];
const bag = [];
let [sockets, receipts, over] = [0, 0, false];

/** Twilio's and Mailgun's create calls; a text's receipts go into the bag. */
async function provider(request, response) {
  const form = await body(request);
  const sms = request.url === `/2010-04-01/Accounts/${SID}/Messages.json`;
  const user = sms ? SID : 'api';
  const known = request.headers.authorization === `Basic ${Buffer.from(`${user}:${TOKEN}`).toString('base64')}`;
  assert.ok(known && (sms || request.url === '/v3/mg.example.com/messages'), `unexpected ${request.url}`);
  const wanted = sms ? ['To', 'From', 'Body', 'StatusCallback'] : ['from', 'to', 'subject', 'text', 'html'];
  assert.ok(wanted.every((field) => form.get(field)), `fields ${[...form.keys()]}`);
  calls.push(form.get(sms ? 'To' : 'to'));
  const sid = `SM${randomUUID().replaceAll('-', '')}`;
  response.writeHead(sms ? 201 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(sms ? { sid, status: 'queued' } : { id: `<${sid}@mg>`, message: 'Queued. Thank you.' }));
  if (sms) bag.push([form.get('StatusCallback'), sid]);
}

/** Few at a time: a thousand at once would keep the provider, which is this process, from answering. */
async function courier() {
  while (!over) {
    const [url, sid] = bag.shift() ?? [];
    if (!url) { await wait(5); continue; }
    // "sent" comes last, and must not take "delivered" back.
    for (const status of ['delivered', 'sent']) assert.equal(await receipt(url, sid, status, TOKEN), 204);
    receipts += 1;
  }
}

async function receipt(url, sid, status, token) {
  const form = { MessageStatus: status, MessageSid: sid, AccountSid: SID, To: '+1 & more' };
  const text = url + Object.keys(form).sort().map((key) => key + form[key]).join('');
  const signature = createHmac('sha1', token).update(text).digest('base64');
  const answer = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { 'x-twilio-signature': signature },
  });
  await answer.arrayBuffer();
  return answer.status;
}

function job(key, person) {
  const address = medium === 'sms' ? { phone: `+1415${String(person).padStart(7, '0')}` } : { email: `p${person}@example.com` };
  return {
    customer: { name: `Person ${person}`, ...address },
    employee: { email: 'paulagent@blancapeak.com' },
    channel: 'phone',
    ext_interaction_id: key,
  };
}

function publish(channel, key, person) {
  const content = job(key, person);
  const common = { persistent: true, mandatory: true, contentType: 'application/json' };
  if (peer === 'node') {
    channel.publish('', name, Buffer.from(JSON.stringify(content)), { ...common, messageId: key });
  } else {
    const headers = { task: 'peers.ask', id: key };
    channel.publish('', name, Buffer.from(JSON.stringify([[content], {}, {}])), {
      ...common, contentEncoding: 'utf-8', correlationId: key, headers,
    });
  }
}

async function until(what, condition) {
  for (let i = 0; i < 600; i += 1, await wait(100)) if (await condition().catch(() => false)) return;
  throw new Error(`not within 60 s: ${what}`);
}

async function main() {
  const admin = new pg.Client(process.env.DATABASE_URL);
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = new URL(process.env.DATABASE_URL);
  url.pathname = `/${name}`;
  const db = new pg.Client(url.href);
  await db.connect();
  await db.query(require('node:fs').readFileSync(path.join(__dirname, 'schema.sql'), 'utf8'));

  const server = await listen((request, response) => provider(request, response).catch((problem) => {
    console.error(problem);
    process.exitCode = 1;
  }));
  server.on('connection', () => { sockets += 1; });
  const spare = await listen(() => {});
  const port = spare.address().port; // free a moment later
  spare.close();
  const publicUrl = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env, DATABASE_URL: url.href, QUEUE: name, ACCOUNT_SID: SID, AUTH_TOKEN: TOKEN,
    PROVIDER_URL: `http://127.0.0.1:${server.address().port}`, PUBLIC_URL: publicUrl, LISTEN_PORT: String(port),
  };
  const start = (what) => spawn(path.join(__dirname, peer, 'run'), [what], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const couriers = Array.from({ length: COURIERS }, courier);
  const children = [start('web'), start('worker')];
  const ended = children.map((child) => new Promise((done) => { child.on('exit', (code, signal) => done(code ?? signal)); }));

  const connection = await amqp.connect(process.env.AMQP_URL);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  const count = async (status) => (await db.query('select count(*)::int n from request where status = $1', [status])).rows[0].n;
  const drained = async () => (await channel.checkQueue(name)).messageCount === 0;
  const last = medium === 'sms' ? 'delivered' : 'sent';
  try {
    await until('web answers', async () => (await receipt(`${publicUrl}/twilio/status?id=${randomUUID()}`, 'SM', 'sent', TOKEN)) === 204);
    const began = Date.now();
    for (let i = 0; i < JOBS; i += 1) publish(channel, `job-${i}`, i);
    await channel.waitForConfirms();
    await until('all are there', async () => (await count(last)) === JOBS);
    console.log(`${peer} ${medium}: ${JOBS} ${last} within ${Date.now() - began} ms, start of the worker included`);

    for (let i = 0; i < 10; i += 1) publish(channel, `job-${i}`, i); // the same jobs again
    for (let i = 0; i < 10; i += 1) publish(channel, `again-${i}`, i); // other jobs, the same people
    await channel.waitForConfirms();
    await until('suppressed', async () => (await count('suppressed')) === 10);
    await until('the queue is empty', drained);
    if (medium === 'sms') {
      await until('every receipt is answered', async () => receipts === JOBS);
      const { rows: [{ id }] } = await db.query("select id from request where status = 'suppressed' limit 1");
      assert.equal(await receipt(`${publicUrl}/twilio/status?id=${id}`, 'SM', 'delivered', 'forged'), 403);
    }
    assert.equal(await count(last), JOBS);
    assert.equal(calls.length, JOBS, 'one call per person');
    assert.equal(new Set(calls).size, JOBS);
    assert.equal((await db.query('select count(*)::int n from request where provider_id is null and status <> $1', ['suppressed'])).rows[0].n, 0);
  } finally {
    over = true;
    await Promise.all(couriers);
    children.forEach((child) => child.kill('SIGTERM'));
    console.log(`exits ${await Promise.all(ended)}; ${calls.length} calls over ${sockets} connections`);
    const { messageCount } = await channel.checkQueue(name); // with what the worker gave back
    await channel.deleteQueue(name);
    await connection.close();
    await db.end();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
    server.close();
    server.closeAllConnections();
    assert.equal(messageCount, 0, 'a job was left in the queue');
  }
}

main();
