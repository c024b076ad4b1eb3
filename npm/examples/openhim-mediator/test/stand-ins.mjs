// OpenHIM core, CHT and openIMIS as far as the mediator sees them: they answer as the real ones were recorded to
// (OpenHIM core 8.5.0, CHT 5.2.0, openIMIS FHIR 1.10.0).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const local = (name) => fileURLToPath(new URL(name, import.meta.url));
export const certificate = local('tls/core.crt');
const basic = (user, password) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** A server that keeps what it got and answers with `[status, body, type, headers]`, or never if there is none. */
async function serve(answer, tls) {
  const requests = [];
  const server = (tls ? https : http).createServer(tls ?? {}, async (request, response) => {
    let text = '';
    for await (const piece of request) text += piece;
    const { method, url, headers } = request;
    const one = { method, url, headers, text };
    requests.push(one);
    const [status, body, type = 'application/json; charset=utf-8', more] = (await answer(one)) ?? [];
    if (status) response.writeHead(status, { 'content-type': type, connection: 'close', ...more }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
  const close = () => (server.closeAllConnections(), server.close());
  return { url, requests, close };
}

/** OpenHIM core's API. `forget()` is what a core does whose database was set up anew; one that is not `awake` never answers. */
export async function core({ tls = false, isAwake = true } = {}) {
  const known = new Map();
  let awake = isAwake;
  const text = 'text/plain; charset=utf-8';
  const said = 'User Authenticated Successfully';
  const credentials = basic('root@openhim.org', 'core-password');
  const answer = ({ method, url, headers, text: body }) => {
    if (!awake) return undefined;
    if (headers.authorization !== credentials) return [401, 'Unauthorized', text];
    if (method === 'POST' && url === '/mediators') {
      const mediator = JSON.parse(body);
      const refused = (what) => [400, `Could not add Mediator via the API: ValidationError: ${what}`, text];
      if (!mediator.urn) return refused('URN is required');
      if (!/^\d+\.\d+\.\d+$/.test(mediator.version ?? '')) return refused('Version is required. Must be in SemVer form x.y.z');
      if (!mediator.name) return refused('name: Path `name` is required.');
      if (!mediator.endpoints?.length) return refused('At least 1 endpoint is required');
      for (const [index, channel] of (mediator.defaultChannelConfig ?? []).entries()) {
        if (!channel.urlPattern) return refused(`defaultChannelConfig.${index}.urlPattern: Path \`urlPattern\` is required.`);
      }
      known.set(mediator.urn, mediator);
      return [201, said, text];
    }
    const [, urn] = url.match(/^\/mediators\/([^/]+)\/heartbeat$/) ?? [];
    if (method !== 'POST' || !known.has(decodeURIComponent(urn ?? ''))) return [404, said, text];
    return typeof JSON.parse(body).uptime === 'number' ? [200, '', text] : [400, said, text];
  };
  const keys = tls && { key: readFileSync(local('tls/core.key')), cert: readFileSync(certificate) };
  const server = await serve(answer, keys || undefined);
  return { ...server, known, forget: () => known.clear(), wake: () => (awake = true) };
}

/** CHT's API; `answers` replaces what it says to a path, `undefined` there is silence. */
export async function cht(answers = {}) {
  const people = new Set();
  return serve(({ url, headers, text }) => {
    if (url in answers) return answers[url];
    if (headers.authorization !== basic('medic', 'cht-password')) return [401, '{"code":401,"error":"unauthorized"}'];
    if (url === '/api/v2/records') return [200, '{"success":true,"id":"01a1fc26-776b-7bb3-9d9d-634ab56770bc"}'];
    if (url !== '/api/v1/people') return [404, '{"code":404,"error":"not_found"}'];
    const { _id: id } = JSON.parse(text);
    if (people.has(id)) return [409, '{"code":409,"error":"Document update conflict."}'];
    people.add(id);
    return [200, JSON.stringify({ ok: true, id, rev: '1-a' })];
  });
}

const fault = (text, severity = 'error') =>
  JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ severity, code: 'exception', details: { text } }] });

/** openIMIS's FHIR API: every Patient is `patient`, every ClaimResponse `claim`. It takes one feedback for a claim. */
export async function openimis(patient, claim) {
  const taken = new Set();
  return serve(({ method, url, headers, text }) => {
    const type = 'application/json';
    if (headers.authorization !== basic('chtuser', 'openimis-password')) return [401, fault('Invalid username/password.', 'fatal'), type];
    const [, resource, id] = url.match(/^\/api\/api_fhir_r4\/(Patient|ClaimResponse)\/([^/]+)\/$/) ?? [];
    const kept = { Patient: patient, ClaimResponse: claim }[resource];
    if (method === 'GET' && kept) return [200, JSON.stringify({ ...kept, id }), type];
    if (method !== 'POST' || url !== '/api/api_fhir_r4/Communication/') return [404, '<h1>Not Found</h1>', 'text/html'];
    const communication = JSON.parse(text);
    const about = communication.about[0].reference;
    if (taken.has(about)) return [500, fault('Feedback exists for this claim'), type];
    taken.add(about);
    return [201, JSON.stringify({ ...communication, identifier: [{ value: '8e700ed1-b203-4b3a-aa34-7a5bbd33ee6c' }] }), type];
  });
}

/** The mediator as a process of its own. `lines` is what it printed; `until` waits for a line. */
export async function mediator(peers, env = {}) {
  const child = spawn(process.execPath, [local('../src/index.js')], {
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      HOST: '127.0.0.1',
      CHT_URL: peers.cht?.url ?? 'http://127.0.0.1:9',
      CHT_USERNAME: 'medic',
      CHT_PASSWORD: 'cht-password',
      OPENIMIS_API_URL: peers.openimis?.url ?? 'http://127.0.0.1:9',
      OPENIMIS_USERNAME: 'chtuser',
      OPENIMIS_PASSWORD: 'openimis-password',
      MEDIATOR_USERNAME: 'interop-client',
      MEDIATOR_PASSWORD: 'interop-password',
      TIMEOUT_MS: '5000',
      ...(peers.core && {
        OPENHIM_API_URL: peers.core.url,
        OPENHIM_USERNAME: 'root@openhim.org',
        OPENHIM_PASSWORD: 'core-password',
        HEARTBEAT_MS: '20',
      }),
      ...env,
    },
  });
  const exited = once(child, 'close').then(([code]) => code);
  const lines = [];
  const waiting = new Set();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      lines.push(...text.split('\n').filter(Boolean));
      for (const look of waiting) look();
    });
  }
  const until = (pattern) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const line = lines.find((text) => pattern.test(text));
        if (line !== undefined && waiting.delete(look)) resolve(line);
      };
      waiting.add(look);
      const fail = (why) => reject(new Error(`${why}, no ${pattern} in:\n${lines.join('\n')}`));
      exited.then((code) => fail(`ended with ${code}`));
      setTimeout(fail, 30_000, 'half a minute').unref();
      look();
    });
  const stop = () => (child.kill('SIGTERM'), exited);
  return { lines, until, exited, stop };
}

/** Sends a message to the mediator as OpenHIM's route does, unless told otherwise. */
export async function post(base, path, body, headers = {}) {
  const answer = await fetch(`${base}${path}`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      authorization: basic('interop-client', 'interop-password'),
      'X-OpenHIM-TransactionID': '6b00f59fbc94ec5852f61b6e',
      ...headers,
    },
  });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get('content-type'), body: JSON.parse(text) };
}
