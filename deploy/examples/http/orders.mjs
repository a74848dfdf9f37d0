#!/usr/bin/env node
// One of each request, with Node's own modules. Node addresses, certificates and client:
//
//   COFFEE_HTTP="https://ming:7443" COFFEE_CERTS=certs COFFEE_AS=writer-till ./orders.mjs
//
// `fetch` shows a client certificate only with the package undici and its option `dispatcher`.

import { readFileSync } from 'node:fs';
import https from 'node:https';

const { COFFEE_HTTP, COFFEE_CERTS: certs, COFFEE_AS: client } = process.env;
const node = COFFEE_HTTP.split(' ')[0];
const agent = new https.Agent({
  ca: readFileSync(`${certs}/ca.crt`),
  cert: readFileSync(`${certs}/${client}.crt`),
  key: readFileSync(`${certs}/${client}.key`),
  keepAlive: true,
});

async function request(method, path, { headers, body } = {}) {
  const response = await new Promise((resolve, reject) => {
    const options = { method, agent, headers: { ...headers, 'Content-Length': Buffer.byteLength(body ?? '') } };
    https.request(node + path, options, resolve).on('error', reject).end(body);
  });
  const text = (await response.toArray()).join('').trim();
  console.log(response.statusCode, text);
  return response;
}

// Create the order, unless it exists.
await request('PUT', '/v1/kv/order/1', { body: 'latte', headers: { 'If-None-Match': '*' } });
// Read its value, and its ETag, which is its revision in quotes.
const { etag } = (await request('GET', '/v1/kv/order/1')).headers;
// Change it, if no other client has changed it since it was read.
await request('PUT', '/v1/kv/order/1', { body: 'mocha', headers: { 'If-Match': etag } });
// The same again fails: 412, and nothing is changed.
await request('PUT', '/v1/kv/order/1', { body: 'tea', headers: { 'If-Match': etag } });
// List the orders with their values.
await request('GET', '/v1/kv?prefix=order/&values=true');
// Count it.
await request('POST', '/v1/incr/count/orders');
// Finish it, and note that, both or neither.
await request('POST', '/v1/txn', {
  body: JSON.stringify({
    if: [{ key: 'order/1', value: 'mocha' }],
    then: [{ del: 'order/1' }, { set: 'done/1', value: 'mocha' }],
    else: [{ get: 'order/1' }],
  }),
});
agent.destroy();
