'use strict';
// The environment, and as many processes as it asks for. `worker.js` and `web.js` are what runs in them.

const cluster = require('node:cluster');
const { Pool } = require('pg');

const env = process.env;
const number = (name, otherwise) => Number(env[name] ?? otherwise);
const base = (name) => (env[name] ?? '').replace(/\/$/, '');

const settings = {
  amqpUrl: env.AMQP_URL,
  queue: env.QUEUE,
  providerUrl: base('PROVIDER_URL'),
  publicUrl: base('PUBLIC_URL'),
  accountSid: env.ACCOUNT_SID,
  authToken: env.AUTH_TOKEN,
  fromNumber: env.FROM_NUMBER ?? '+15005550006',
  mailDomain: env.MAIL_DOMAIN ?? 'mg.example.com',
  listenPort: number('LISTEN_PORT', 0),
  concurrency: number('CONCURRENCY', 64),
};

function database() {
  const pool = new Pool({ connectionString: env.DATABASE_URL, max: number('PG_POOL', 10) });
  // An idle connection that breaks is replaced; without a listener it would end the process.
  return pool.on('error', (problem) => console.error(problem.message));
}

/** Runs `main` in PROCESSES processes (node:cluster: they share a listening port). */
function inProcesses(main) {
  const processes = number('PROCESSES', 1);
  if (!cluster.isPrimary || processes === 1) return main();
  for (let i = 0; i < processes; i += 1) cluster.fork();
  const stop = () => Object.values(cluster.workers).forEach((worker) => worker.process.kill('SIGTERM'));
  process.on('SIGTERM', stop).on('SIGINT', stop);
  cluster.on('exit', (_worker, code) => { if (code) { process.exitCode = code; stop(); } });
}

module.exports = { settings, database, inProcesses };
