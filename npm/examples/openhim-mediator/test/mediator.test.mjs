// The whole mediator, as a process, between stand-ins.
import assert from 'node:assert/strict';
import test, { afterEach } from 'node:test';

import { one } from '../../../test/cases.mjs';
import { certificate, cht, core, mediator, openimis, post } from './stand-ins.mjs';

const fixture = (name, section) => (section ? one(name).text(section) : one(name).bytes);
const body = (name) => JSON.stringify(JSON.parse(fixture(name, 'expected.json')).body);
const claim = fixture('claim-response/documented-sample');
const feedback = fixture('feedback/documented');
const patient = JSON.parse(fixture('patient/recorded'));
const kept = JSON.parse(fixture('claim-response/recorded-get'));

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

test('feedback that names no insuree is of the patient of its claim, whom openIMIS is asked for', async () => {
  const peers = { openimis: await start(openimis(patient, kept)), core: await start(core()) };
  const { url } = await between(peers);
  const { insureeuuid, ...unnamed } = JSON.parse(feedback);
  assert.ok(insureeuuid);
  const answer = checked(await post(url, '/mediator/claims-feedback', JSON.stringify({ ...unnamed, claimuuid: unnamed.claimuuid.toUpperCase() })));
  assert.equal(answer.response.status, 201, answer.response.body);
  const [asked, sent] = peers.openimis.requests;
  assert.deepEqual([asked.method, asked.url], ['GET', `/api/api_fhir_r4/ClaimResponse/${unnamed.claimuuid}/`]);
  assert.equal(JSON.parse(sent.text).subject.reference, kept.patient.reference);
  // Nobody is asked if there is more wrong than that.
  const other = checked(await post(url, '/mediator/claims-feedback', JSON.stringify({ ...unnamed, care_rendered: 'perhaps' })));
  assert.deepEqual([other.response.status, other.told.issue.length, other.orchestrations], [422, 2, []]);
});

test('feedback that names no insuree is refused if the claim names none, or is not there', async () => {
  const { insureeuuid, ...unnamed } = JSON.parse(feedback);
  for (const [claimed, status] of [[{ ...kept, patient: {} }, 422], [undefined, 502]]) {
    const peers = { openimis: await start(openimis(patient, claimed)) };
    const { url } = await between(peers);
    const answer = await post(url, '/mediator/claims-feedback', JSON.stringify(unnamed), { 'X-OpenHIM-TransactionID': '' });
    assert.deepEqual([answer.status, peers.openimis.requests.length], [status, 1]);
  }
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
  assert.equal(lines.join(''), fixture('claim-response/several-problems', 'error.txt'));
  assert.deepEqual([answer.orchestrations, peers.cht.requests], [[], []]);
});

test('a peer that is silent is not waited for', async () => {
  const peers = { cht: await start(cht({ '/api/v2/records': undefined })), core: await start(core()) };
  const { url } = await between(peers, { TIMEOUT_MS: '200' });
  const silent = checked(await post(url, '/mediator/claim-response', claim));
  assert.equal(silent.response.status, 504);
  assert.deepEqual(silent.orchestrations[0].error, { message: 'no answer within 200 ms' });
});

test('a peer that refuses or is not there is told to who sent the message', async () => {
  const paths = { '/api/v2/records': [403, '{"code":403,"error":"forbidden","details":"missing privileges"}'] };
  const peers = { cht: await start(cht(paths)), core: await start(core()) };
  const { url } = await between(peers);
  const refused = checked(await post(url, '/mediator/claim-response', claim));
  assert.equal(refused.response.status, 502);
  assert.equal(refused.told.issue[0].diagnostics, 'CHT answered 403: forbidden');
  assert.equal(refused.orchestrations[0].response.status, 403);

  // A proxy's page with 200 is no record, and where it redirects to gets nothing.
  for (const answer of [[200, '<html>', 'text/html'], [302, '', 'text/html', { location: '/elsewhere' }]]) {
    paths['/api/v2/records'] = answer;
    const { response, orchestrations } = checked(await post(url, '/mediator/claim-response', claim));
    assert.deepEqual([response.status, orchestrations[0].response.status], [502, answer[0]]);
  }
  assert.ok(peers.cht.requests.every(({ url }) => url === '/api/v2/records'));

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

test('a core that is silent is not waited for: once it answers, the mediator registers', async () => {
  const peers = { core: await start(core({ isAwake: false })) };
  const { until } = await between(peers, { TIMEOUT_MS: '200' });
  await until(/^OpenHIM: registration: no answer within 200 ms$/);
  await until(/^OpenHIM: heartbeat: no answer within 200 ms$/);
  peers.core.wake();
  await until(/^OpenHIM: registered/);
  assert.equal(peers.core.known.size, 1);
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
  const secret = 'hunter2';
  for (const [env, ...told] of [
    // All at once.
    [
      { CHT_URL: undefined, MEDIATOR_PASSWORD: '', TIMEOUT_MS: '10s' },
      'TIMEOUT_MS: expected a whole number from 1 to 2147483647',
      'CHT_URL: not set',
      'MEDIATOR_PASSWORD: empty',
    ],
    [{ PORT: '' }, 'PORT: expected a whole number from 0 to 65535'],
    [{ PORT: '65536' }, 'PORT: expected a whole number from 0 to 65535'],
    [{ HOST: ' ' }, 'HOST: empty'],
    [{ CHT_URL: 'localhost:5988' }, 'CHT_URL: expected an address that begins with http:// or https://'],
    [{ CHT_URL: 'cht' }, 'CHT_URL: expected an address that begins with http:// or https://'],
    [{ CHT_URL: `https://medic:${secret}@cht.example` }, 'CHT_URL: holds a user or a password; they have variables of their own'],
    [{ OPENIMIS_API_URL: `https://${secret}@openimis.example` }, 'OPENIMIS_API_URL: holds a user or a password; they have variables of their own'],
    [{ CHT_URL: `https://cht.example/?token=${secret}` }, 'CHT_URL: expected an address without ? and #'],
    [
      { OPENHIM_API_URL: `ftp://root:${secret}@core.example`, HEARTBEAT_MS: '0' },
      'OPENHIM_API_URL: expected an address that begins with http:// or https://',
      'OPENHIM_USERNAME: not set',
      'OPENHIM_PASSWORD: not set',
      'HEARTBEAT_MS: expected a whole number from 1 to 2147483647',
    ],
    [{ OPENHIM_API_URL: '', OPENHIM_USERNAME: 'root', OPENHIM_PASSWORD: secret }, 'OPENHIM_API_URL: empty'],
    ...['{', '', 'null', '[]', '"feedback"'].map((settings) => [{ MAPPING_SETTINGS: settings }, 'MAPPING_SETTINGS: expected a JSON object']),
    [
      { MAPPING_SETTINGS: '{"claimResponse": {"calender": "gregorian"}, "claim": {}, "toString": {}, "feedback": null}' },
      /^MAPPING_SETTINGS: claimResponse: settings\.calender: unknown/,
      'MAPPING_SETTINGS: claim: unknown; expected claimResponse, feedback, patient',
      'MAPPING_SETTINGS: toString: unknown; expected claimResponse, feedback, patient',
      'MAPPING_SETTINGS: feedback: settings: expected an object; found null',
    ],
    [
      { MAPPING_SETTINGS: '{"patient": {"places": [{"location_code": "R1", "place_id": "x"}], "default_place": "y"}}' },
      'MAPPING_SETTINGS: patient.places: not used here, where nobody asks openIMIS for locations; set default_place',
    ],
    [{ MAPPING_SETTINGS: '{"patient": {"phone_prefix": "+977"}}' }, 'MAPPING_SETTINGS: patient.default_place: missing; without a place no person is made'],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /^NODE_TLS_REJECT_UNAUTHORIZED: TLS is always verified/],
  ]) {
    const { exited, lines } = await start(mediator({}, env));
    assert.equal(await exited, 2);
    const mistakes = lines.filter((line) => !/^\(node:|^\(Use `node/.test(line)); // Node's own warning of what the last one does
    assert.equal(mistakes.length, told.length, lines.join('\n'));
    for (const [index, expected] of told.entries()) {
      if (expected instanceof RegExp) assert.match(mistakes[index], expected);
      else assert.equal(mistakes[index], expected);
    }
    assert.ok(!lines.join().includes(secret));
  }
});
