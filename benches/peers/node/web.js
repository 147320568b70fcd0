'use strict';
// Twilio's status callbacks: the signature is checked, and one UPDATE moves the row forward.

const { createHmac, timingSafeEqual } = require('node:crypto');
const http = require('node:http');
const { settings, database, inProcesses } = require('./settings');

// Only forward: what a receipt may follow.
const AFTER = {
  sent: ['queued'],
  delivered: ['queued', 'sent'],
  failed: ['queued', 'sent'],
  undelivered: ['queued', 'sent'],
};
const RECEIPT = {
  name: 'receipt',
  text: `update request set status = $2, delivered_at = case when $2 = 'delivered' then now() end
    where id = $1 and status = any($3)`,
};
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const BODY_BYTES_MAX = 64 * 1024;

const db = database();

/** Twilio, "Validating Requests": the URL, then each field's name and value, sorted by name. */
function isTwilios(given, url, form) {
  const fields = [...form].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = fields.reduce((sum, [name, value]) => sum + name + value, url);
  const expected = createHmac('sha1', settings.authToken).update(text).digest();
  const signature = Buffer.from(given ?? '', 'base64');
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}

async function read(request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part;
    if (text.length > BODY_BYTES_MAX) throw new Error('the body is too long');
  }
  return text;
}

async function answer(request) {
  const { pathname, searchParams } = new URL(request.url, settings.publicUrl);
  if (request.method !== 'POST' || pathname !== '/twilio/status') return 404;
  const form = new URLSearchParams(await read(request));
  if (!isTwilios(request.headers['x-twilio-signature'], settings.publicUrl + request.url, form)) return 403;
  const id = searchParams.get('id');
  if (!UUID.test(id)) return 404;
  const status = form.get('MessageStatus');
  if (AFTER[status]) {
    const written = status === 'undelivered' ? 'failed' : status;
    await db.query({ ...RECEIPT, values: [id, written, AFTER[status]] });
  }
  return 204;
}

inProcesses(() => {
  const server = http.createServer(async (request, response) => {
    response.statusCode = await answer(request).catch((problem) => { console.error(problem.message); return 500; });
    response.end();
  });
  server.listen(settings.listenPort, '127.0.0.1');
  process.once('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 5_000).unref(); // for whoever keeps a connection busy
  });
});
