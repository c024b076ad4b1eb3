// The whole mediator, as a process, between stand-ins.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { afterEach } from 'node:test';

import { certificate, cht, core, mediator, openimis, post } from './stand-ins.mjs';

const fixture = (name, file = 'input.json') => readFileSync(new URL(`../../../../tests/fixtures/${name}/${file}`, import.meta.url));
const body = (name) => JSON.stringify(JSON.parse(fixture(name, 'expected.json')).body);
const claim = fixture('claim-response/documented-sample');
const feedback = fixture('feedback/documented');
const patient = JSON.parse(fixture('patient/recorded'));

const running = [];
afterEach(() => Promise.all(running.splice(0).map((one) => (one.close ?? one.stop)())));
const start = async (what) => (running.push(await what), running.at(-1));

/** A mediator between its stand-ins, and its address. */
async function between(peers, env) {
  const one = await start(mediator(peers, env));
  const [port] = (await one.until(/^listening on port/)).match(/\d+$/);
  return { ...one, url: `http://127.0.0.1:${port}` };
}

/** What OpenHIM's core wants of an answer; without a request in an orchestration it goes down. */
function checked({ status, type, body: answer }) {
  assert.equal(status, 200);
  assert.match(type, /^application\/json\+openhim/);
  assert.equal(answer['x-mediator-urn'], 'urn:mediator:openimis-cht-example');
  assert.equal(answer.status, answer.response.status < 400 ? 'Successful' : 'Failed');
  assert.ok(Number.isInteger(answer.response.status) && Date.parse(answer.response.timestamp) > 0);
  for (const { name, request, response, error } of answer.orchestrations) {
    assert.ok(name && request.method && request.host && request.port && request.path && Date.parse(request.timestamp) > 0);
    assert.ok(response ? Number.isInteger(response.status) && Date.parse(response.timestamp) > 0 : error.message);
  }
  const text = JSON.stringify(answer);
  for (const secret of ['password', 'Basic ']) assert.ok(!text.includes(secret), `${secret} in ${text}`);
  return { ...answer, told: JSON.parse(answer.response.body) };
}

test('a claim becomes a record in CHT, byte for byte, and OpenHIM sees both', async () => {
  const peers = { cht: await start(cht()), core: await start(core()) };
  const { url } = await between(peers);
  const answer = checked(await post(url, '/mediator/claim-response', claim));
  assert.equal(answer.response.status, 201);
  assert.equal(answer.told.id, '01a1fc26-776b-7bb3-9d9d-634ab56770bc');
  assert.equal(answer.told.warnings.length, 1);
  assert.deepEqual(peers.cht.requests.map(({ method, url, text }) => [method, url, text]), [
    ['POST', '/api/v2/records', body('claim-response/documented-sample')],
  ]);
  const [{ name, request, response }] = answer.orchestrations;
  assert.equal(name, 'CHT: POST api/v2/records');
  assert.equal(request.body, peers.cht.requests[0].text);
  assert.equal(response.body, '{"success":true,"id":"01a1fc26-776b-7bb3-9d9d-634ab56770bc"}');
});

test('with a place, the insuree becomes a person first, and the same one the next time', async () => {
  const peers = { cht: await start(cht()), openimis: await start(openimis(patient)), core: await start(core()) };
  const { url } = await between(peers, { MAPPING_SETTINGS: '{"patient": {"default_place": "district-clinic"}}' });
  for (let time = 0; time < 2; time += 1) {
    const answer = checked(await post(url, '/mediator/claim-response', claim));
    assert.equal(answer.response.status, 201, answer.response.body);
    const names = answer.orchestrations.map(({ name, response }) => [name.split('/')[0], response.status]);
    assert.deepEqual(names.map(([, status]) => status), [200, time === 0 ? 200 : 409, 200]);
  }
  const [made, recorded] = peers.cht.requests.map(({ text }) => JSON.parse(text));
  assert.equal(made.place, 'district-clinic');
  assert.equal(recorded.patient_id, made._id);
});

test('feedback becomes a Communication, and a second push of it does no harm', async () => {
  const peers = { openimis: await start(openimis(patient)), core: await start(core()) };
  const { url } = await between(peers);
  const first = checked(await post(url, '/mediator/claims-feedback', feedback));
  assert.equal(first.response.status, 201);
  assert.deepEqual(first.told, { status: 'delivered', id: '8e700ed1-b203-4b3a-aa34-7a5bbd33ee6c' });
  assert.equal(peers.openimis.requests[0].text, body('feedback/documented'));
  const second = checked(await post(url, '/mediator/claims-feedback', feedback));
  assert.deepEqual([second.response.status, second.told], [200, { status: 'delivered', duplicate: true }]);
});

test('without OpenHIM in between the answer is plain JSON with its status', async () => {
  const peers = { cht: await start(cht()) };
  const { url } = await between(peers);
  const direct = (path, text, headers) => post(url, path, text, { 'X-OpenHIM-TransactionID': '', ...headers });
  const good = await direct('/mediator/claim-response', claim);
  assert.deepEqual([good.status, good.body.status], [201, 'delivered']);
  for (const [status, path, text, headers] of [
    [400, '/mediator/claim-response', '{"id": '],
    [422, '/mediator/claim-response', fixture('claim-response/several-problems')],
    [422, '/mediator/claims-feedback', '{"care_rendered": "perhaps"}'],
    [401, '/mediator/claim-response', claim, { authorization: 'Basic eDp5' }],
    [404, '/mediator/claims', claim],
    [413, '/mediator/claim-response', ' '.repeat(1_100_000)],
    [415, '/mediator/claim-response', claim, { 'content-type': 'text/plain' }],
    [502, '/mediator/claims-feedback', feedback],
  ]) {
    const answer = await direct(path, text, headers);
    assert.deepEqual([answer.status, answer.body.resourceType], [status, 'OperationOutcome'], JSON.stringify(answer.body));
  }
  assert.equal(peers.cht.requests.length, 1);
});

test('what cannot be mapped is told with all its issues and sent nowhere', async () => {
  const peers = { cht: await start(cht()), core: await start(core()) };
  const { url } = await between(peers);
  const answer = checked(await post(url, '/mediator/claim-response', fixture('claim-response/several-problems')));
  assert.equal(answer.response.status, 422);
  const lines = answer.told.issue.map(({ severity, code, expression, diagnostics }) => `${severity} ${code} ${expression}: ${diagnostics}\n`);
  assert.equal(lines.join(''), fixture('claim-response/several-problems', 'error.txt').toString());
  assert.deepEqual([answer.orchestrations, peers.cht.requests], [[], []]);
});

test('a peer that refuses, is silent or is not there is told to who sent the message', async () => {
  const paths = { '/api/v2/records': undefined };
  const peers = { cht: await start(cht(paths)), core: await start(core()) };
  const { url } = await between(peers, { TIMEOUT_MS: '200' });
  const silent = checked(await post(url, '/mediator/claim-response', claim));
  assert.equal(silent.response.status, 504);
  assert.deepEqual(silent.orchestrations[0].error, { message: 'no answer within 200 ms' });

  paths['/api/v2/records'] = [403, '{"code":403,"error":"forbidden","details":"missing privileges"}'];
  const refused = checked(await post(url, '/mediator/claim-response', claim));
  assert.equal(refused.response.status, 502);
  assert.equal(refused.told.issue[0].diagnostics, 'CHT answered 403: forbidden');
  assert.equal(refused.orchestrations[0].response.status, 403);

  // A proxy's page with 200 is no record.
  paths['/api/v2/records'] = [200, '<html>', 'text/html'];
  assert.equal(checked(await post(url, '/mediator/claim-response', claim)).response.status, 502);

  const absent = checked(await post(url, '/mediator/claims-feedback', feedback));
  assert.equal(absent.response.status, 502);
  assert.equal(absent.orchestrations[0].response, undefined);
});

test('it registers, sends heartbeats, and registers again when core has forgotten it', async () => {
  const peers = { core: await start(core()) };
  const { until, url } = await between(peers);
  await until(/^OpenHIM: registered/);
  const [mediator] = peers.core.known.values();
  assert.equal(mediator.defaultChannelConfig[0].routes[0].username, 'interop-client');
  assert.equal(`${mediator.endpoints[0].port}`, new URL(url).port);
  peers.core.forget();
  await until(/^OpenHIM: heartbeat: 404/);
  const end = Date.now() + 30_000;
  while (peers.core.known.size === 0 && Date.now() < end) await new Promise(setImmediate);
  assert.equal(peers.core.known.size, 1);
  const beats = peers.core.requests.filter(({ url }) => url.endsWith('/heartbeat'));
  assert.ok(beats.every(({ text }) => typeof JSON.parse(text).uptime === 'number'));
});

test('a wrong password at core is told, and messages are taken all the same', async () => {
  const peers = { cht: await start(cht()), core: await start(core()) };
  const { until, url } = await between(peers, { OPENHIM_PASSWORD: 'wrong' });
  await until(/^OpenHIM: registration: 401/);
  assert.equal(checked(await post(url, '/mediator/claim-response', claim)).response.status, 201);
});

test("core's certificate is verified: with the CA file it registers, without it does not", async () => {
  const peers = { core: await start(core({ tls: true })) };
  const stranger = await between(peers);
  assert.match(await stranger.until(/^OpenHIM: registration/), /SELF_SIGNED_CERT/);
  assert.equal(peers.core.requests.length, 0);
  const { until } = await between(peers, { NODE_EXTRA_CA_CERTS: certificate });
  await until(/^OpenHIM: registered/);
});

test('it does not start with settings that cannot be used', async () => {
  for (const [env, told] of [
    [{ CHT_URL: '', MEDIATOR_PASSWORD: '' }, /^CHT_URL, MEDIATOR_PASSWORD not set$/],
    [{ MAPPING_SETTINGS: '{"claimResponse": {"calender": "gregorian"}}' }, /^MAPPING_SETTINGS: claimResponse: settings\.calender: unknown/],
    [{ MAPPING_SETTINGS: '{"claim": {}}' }, /^MAPPING_SETTINGS: claim unknown/],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /^NODE_TLS_REJECT_UNAUTHORIZED: TLS is always verified/],
  ]) {
    const { exited, lines } = await start(mediator({}, env));
    assert.equal(await exited, 2);
    assert.ok(lines.some((line) => told.test(line)), lines.join('\n'));
  }
});
