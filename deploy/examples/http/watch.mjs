#!/usr/bin/env node
// Follows the changes of all keys with a prefix: prints a JSON document per revision.
//
//   COFFEE_HTTP="https://ming:7443 https://hong:7443" COFFEE_CERTS=certs COFFEE_AS=reader-board \
//       ./watch.mjs order/ [REVISION]
//
// Needs Node's own modules only. Where a node stops, it continues at the next one after the last event that
// it received (Last-Event-ID): it misses no change and prints none twice.

import { readFileSync } from 'node:fs';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

// A node says after 5 s of quiet how far it is: one that says nothing for longer is gone.
const SILENCE_MS = 15_000;

const { COFFEE_HTTP, COFFEE_CERTS: certs, COFFEE_AS: client } = process.env;
const tls = {
  ca: readFileSync(`${certs}/ca.crt`),
  cert: readFileSync(`${certs}/${client}.crt`),
  key: readFileSync(`${certs}/${client}.key`),
};
let [prefix, last] = process.argv.slice(2);

// Sends a request, and returns the response once its head is there.
function open(node) {
  const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) };
  return new Promise((resolve, reject) => {
    const url = `${node}/v1/watch?prefix=${encodeURIComponent(prefix)}`;
    const request = https.get(url, { ...tls, headers, agent: false, timeout: SILENCE_MS }, resolve);
    request.on('timeout', () => request.destroy(new Error('it says nothing any more')));
    request.on('error', reject);
  });
}

// Yields each event (WHATWG HTML, section 9.2.6) as its fields. One that was cut off is left out.
async function* events(response) {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) {
    const blocks = (text + piece).split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      yield Object.fromEntries(block.split('\n').map((line) => line.match(/^(.*?): ?(.*)$/).slice(1)));
    }
  }
}

async function follow(node) {
  const response = await open(node);
  if (response.statusCode !== 200) {
    if (response.statusCode === 410) process.exitCode = 1;
    throw new Error((await response.toArray()).join('').trim());
  }
  for await (const { event, id, data } of events(response)) {
    if (event === 'failed') throw new Error(data);
    if (data) console.log(data);
    // After it was printed.
    last = id ?? last;
  }
}

// Until the history does not reach back to the revision: then the present state has to be read first.
const nodes = COFFEE_HTTP.split(' ');
for (let n = 0; process.exitCode === undefined; n = (n + 1) % nodes.length) {
  console.error(`watching ${nodes[n]}${last ? ` after ${last}` : ''}`);
  await follow(nodes[n]).catch((error) => console.error(`${nodes[n]}: ${error.message}`));
  await sleep(200);
}
