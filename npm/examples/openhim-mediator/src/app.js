// HTTP in: who may come, what is taken, and how it is answered.
import { createHash, timingSafeEqual } from 'node:crypto';
import express from 'express';
import { MappingError } from 'openimis-mediator-mapping';
import { PeerError } from './peers.js';
import { claimResponse, feedback } from './ways.js';

export function app(config) {
  const server = express();
  server.disable('x-powered-by');
  server.use((request, response, next) => {
    if (isClient(request, config.client)) return next();
    response.set('WWW-Authenticate', 'Basic realm="mediator"').status(401).json(outcome('login', 'unknown user or password'));
  });
  server.use(express.raw({ type: ['application/json', 'application/fhir+json'], limit: '1mb' }));
  server.post('/mediator/claim-response', answered(claimResponse, config));
  server.post('/mediator/claims-feedback', answered(feedback, config));
  server.use((request, response) => response.status(404).json(outcome('not-found', 'no such route')));
  server.use((error, request, response, next) => {
    if (response.headersSent) return next(error);
    const status = error.status ?? 500;
    response.status(status).json(outcome(status === 413 ? 'too-long' : 'exception', error.expose ? error.message : 'internal error'));
  });
  return server;
}

const answered = (way, config) => async (request, response) => {
  if (!Buffer.isBuffer(request.body)) return response.status(415).json(outcome('not-supported', 'expected application/json'));
  const orchestrations = [];
  const { status, body } = await way(request.body, config, orchestrations).catch(refusal);
  // Asked by openIMIS or CHT itself, and not through OpenHIM: plain JSON, which openIMIS reads before it looks at the status.
  if (!request.get('X-OpenHIM-TransactionID')) return response.status(status).json(body);
  response.type('application/json+openhim').send(
    JSON.stringify({
      'x-mediator-urn': config.openhim?.urn ?? '',
      status: status < 400 ? 'Successful' : 'Failed',
      response: {
        status,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        timestamp: new Date().toISOString(),
      },
      orchestrations,
    }),
  );
};

/** An error as a status and an OperationOutcome with all of its issues. */
function refusal(error) {
  if (error instanceof MappingError) {
    const unreadable = error.issues.some(({ severity }) => severity === 'fatal');
    return { status: unreadable ? 400 : 422, body: error.operationOutcome() };
  }
  if (error instanceof PeerError) return { status: error.status, body: outcome('transient', error.message) };
  console.error(error);
  return { status: 500, body: outcome('exception', 'internal error') };
}

const outcome = (code, diagnostics) => ({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] });

/** Compares in the same time whatever is wrong. */
function isClient(request, { username, password }) {
  const hash = (text) => createHash('sha256').update(text).digest();
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return timingSafeEqual(hash(request.get('Authorization') ?? ''), hash(expected));
}
