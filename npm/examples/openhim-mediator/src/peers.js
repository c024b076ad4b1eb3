// Requests to CHT and openIMIS, each written down as an orchestration for OpenHIM.

/** A peer gave no answer, or not the one that was asked for. `status` is what our caller gets. */
export class PeerError extends Error {
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

const now = () => new Date().toISOString();
const KEPT = 10_000; // characters of an answer: openIMIS sends photos along

/** Sends, and answers `{ status, json }`. What happened is in `orchestrations` in any case. */
export async function send(peer, method, path, body, orchestrations) {
  const url = new URL(path, peer.url);
  const request = {
    method,
    scheme: url.protocol.slice(0, -1),
    host: url.hostname,
    port: url.port || (url.protocol === 'https:' ? '443' : '80'),
    path: url.pathname,
    querystring: url.search.slice(1),
    headers: { 'content-type': 'application/json' }, // never the credentials
    body: body ?? '',
    timestamp: now(),
  };
  // With its request from the beginning: OpenHIM core does not survive an orchestration without one.
  const orchestration = { name: `${peer.name}: ${method} ${path}`, request };
  orchestrations.push(orchestration);
  try {
    const headers = { ...request.headers, accept: 'application/json', authorization: peer.authorization };
    // The time-out holds for the answer's body, too. A redirect is told and not followed: it would take the credentials elsewhere.
    const answer = await fetch(url, { method, headers, body, redirect: 'manual', signal: AbortSignal.timeout(peer.timeout) });
    const text = await answer.text();
    const type = answer.headers.get('content-type') ?? '';
    orchestration.response = { status: answer.status, headers: { 'content-type': type }, body: text.slice(0, KEPT), timestamp: now() };
    return { status: answer.status, json: parsed(text) };
  } catch (error) {
    const late = error.name === 'TimeoutError';
    // Never the error's own words: they may quote the address or a header.
    const message = late ? `no answer within ${peer.timeout} ms` : `no connection (${error.cause?.code ?? error.name})`;
    orchestration.error = { message };
    throw new PeerError(`${peer.name}: ${message}`, late ? 504 : 502);
  }
}

/** The peer's own words, shortened. */
export function refused(peer, { status, json }) {
  const said = json?.issue?.[0]?.details?.text ?? json?.error?.message ?? json?.error ?? 'not an answer of its own';
  return new PeerError(`${peer.name} answered ${status}: ${String(said).slice(0, 200)}`, 502);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
