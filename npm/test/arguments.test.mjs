// What goes in: every type of input, options, settings; and what is said of the wrong ones.
import assert from 'node:assert/strict';
import test from 'node:test';
import vm from 'node:vm';

import { mapClaimResponse, mapFeedback, Mapper, mapPatient, MappingError, SettingsError } from '../dist/index.mjs';
import { one } from './cases.mjs';

const claim = one('claim-response/documented-sample').bytes;
const feedback = one('feedback/documented').bytes;

function thrown(run) {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('bytes of every kind, text and an object give the same', () => {
  const { body } = mapClaimResponse(claim);
  const copy = claim.buffer.slice(claim.byteOffset, claim.byteOffset + claim.length);
  const padded = Buffer.concat([Buffer.from('{'), claim, Buffer.from('}')]).subarray(1, -1);
  const foreign = vm.runInNewContext('new Uint8Array(bytes)', { bytes: [...claim] });
  const shared = new Uint8Array(new SharedArrayBuffer(claim.length));
  shared.set(claim);
  const inputs = { copy, view: new Uint8Array(copy), padded, foreign, shared, text: claim.toString(), object: JSON.parse(claim) };
  for (const [name, input] of Object.entries(inputs)) assert.equal(mapClaimResponse(input).body, body, name);
});

test('the value is the parsed body', () => {
  const { body, value, idempotencyKey, warnings } = mapClaimResponse(claim);
  assert.deepEqual(value, JSON.parse(body));
  assert.equal(idempotencyKey, `claim/${value.op_claim_uuid}`);
  assert.deepEqual(warnings.map(({ severity, code, expression }) => [severity, code, expression]), [
    ['warning', 'conflict', 'ClaimResponse.request'],
  ]);
});

test('what is no document at all is a wrong argument, not an issue', () => {
  for (const input of [undefined, () => claim, Symbol('claim'), 1n, new Map(), new Date(0), new Uint16Array(2)]) {
    const error = thrown(() => mapClaimResponse(input));
    assert.ok(error instanceof TypeError && !(error instanceof SettingsError), String(input));
    assert.match(error.message, /^input: expected a Uint8Array, a string of JSON, or an object; found /);
  }
  assert.match(thrown(() => mapClaimResponse(Promise.resolve(claim))).message, /^input: .* found Promise$/);
  assert.match(thrown(() => mapClaimResponse({ then() {} })).message, /is an await missing/);
});

test('bytes that are no UTF-8 are told in the words of the mediator, with their place', () => {
  const broken = Buffer.concat([Buffer.from('{"id": "é'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
  const issue = { severity: 'fatal', code: 'structure', expression: '', diagnostics: 'not UTF-8 text (byte 10)' };
  for (const map of [mapClaimResponse, mapFeedback, mapPatient]) {
    assert.deepEqual(thrown(() => map(broken)).issues, [issue]);
    assert.deepEqual(thrown(() => map(new Uint8Array(broken).buffer)).issues, [issue]);
    // The same of a text that has no bytes.
    assert.deepEqual(thrown(() => map('{"id": "é\ud800"}')).issues, [issue]);
  }
  const whole = claim.toString().replace('CHT979', 'CHT979 \u{1f600} नेपाल');
  assert.equal(mapClaimResponse(whole).value.op_claim_id, 'CHT979 \u{1f600} नेपाल');
  assert.match(thrown(() => mapClaimResponse({ resourceType: 'ClaimResponse', id: '\udc00' })).message, /not well-formed JSON/);
});

test('an error names every issue, in its message and as an OperationOutcome', () => {
  const error = thrown(() => mapFeedback('{"care_rendered": "perhaps"}'));
  assert.ok(error instanceof MappingError && error instanceof Error);
  assert.equal(error.name, 'MappingError');
  assert.equal(error.issues.length, 7);
  assert.equal(error.message.split('\n').length, 7);
  assert.ok(error.message.includes('error required claimuuid: missing; expected'));
  const outcome = error.operationOutcome();
  assert.equal(outcome.resourceType, 'OperationOutcome');
  assert.deepEqual(
    outcome.issue.map(({ severity, code, diagnostics, expression: [expression] }) => ({ severity, code, expression, diagnostics })),
    error.issues,
  );
  const document = thrown(() => mapFeedback(Buffer.from([0xff]))).operationOutcome();
  assert.deepEqual(document.issue, [{ severity: 'fatal', code: 'structure', diagnostics: 'not UTF-8 text (byte 0)' }]);
});

test('an option that does not exist is no default', () => {
  assert.match(thrown(() => mapClaimResponse(claim, { form: 'OP' })).message, /^options: form unknown; expected settings, contact, claimDate$/);
  assert.match(thrown(() => mapFeedback(feedback, { contact: null })).message, /^options: contact unknown/);
  assert.match(thrown(() => mapFeedback(feedback, 'uuid')).message, /^options: expected an object; found string$/);
  assert.match(thrown(() => mapClaimResponse(claim, { claimDate: new Date(0) })).message, /^claimDate: expected a text; found Date$/);
  for (const contact of ['id', {}, { contact_id: 5 }, { contactId: 'id' }, { contact_id: 'id', name: 'x' }]) {
    assert.match(thrown(() => mapClaimResponse(claim, { contact })).message, /^contact: expected \{ contact_id \} with a text$/);
  }
  for (const locationCodes of ['R1', [1], { 0: 'R1' }]) {
    assert.match(thrown(() => mapPatient('{}', { locationCodes })).message, /^locationCodes: expected a list of texts/);
  }
  const { body } = mapClaimResponse(claim);
  assert.equal(mapClaimResponse(claim, { settings: undefined, contact: null, claimDate: null }).body, body);
  assert.equal(mapClaimResponse(claim, null).body, body);
});

test('every mistake in settings is told with its name', () => {
  const cases = [
    [mapClaimResponse, { form: 1 }, ['form: expected a text; found a number']],
    [mapClaimResponse, { fields: { dat: 'x' } }, ['fields.dat: unknown; expected claim_id, claim_uuid, date, day, month, patient_id, year']],
    [mapClaimResponse, { calender: 'gregorian' }, ['calender: unknown; expected calendar, fields, form, locale, utc_offset_minutes']],
    [mapClaimResponse, { calendar: 'julian' }, ['calendar: unknown variant `julian`, expected `bikram-sambat` or `gregorian`']],
    [mapClaimResponse, { utc_offset_minutes: 40_000 }, ['utc_offset_minutes: invalid value: integer `40000`, expected a whole number from -32768 to 32767']],
    [mapClaimResponse, { utc_offset_minutes: NaN }, ['utc_offset_minutes: expected a number; found null']],
    [mapClaimResponse, { form: ' ', fields: { year: 'x', month: 'x' } }, ['form: is empty; expected the code of the CHT form, for example OP', 'fields.month: the name is used twice']],
    [mapClaimResponse, { form: null, fields: [], locale: true }, ['form: expected a text; found null', 'fields: expected an object; found a list', 'locale: expected a text; found a boolean']],
    [mapClaimResponse, { form: () => 'OP' }, ['form: expected a text, a number or a list; found a function']],
    [mapFeedback, { rating_min: -1, rating_max: 1.5 }, ['rating_min: invalid value: integer `-1`, expected a whole number from 0 to 255', 'rating_max: invalid type: floating point `1.5`, expected a whole number from 0 to 255']],
    [mapFeedback, { rating_min: 6 }, ['rating_max: expected no less than rating_min']],
    [mapPatient, { places: {} }, ['places: expected a list; found an object']],
    [mapPatient, { places: [{ location_code: 'R1', place: 'x' }, 'R2'] }, ['places[0].place: unknown; expected location_code, place_id', 'places[0].place_id: missing; expected a text', 'places[1]: expected an object; found a text']],
    [mapPatient, { phone_prefix: '977', places: [{ location_code: 'R1', place_id: '' }] }, ['phone_prefix: expected a country calling code such as +977', 'places[0]: expected a location_code and a place_id']],
    [mapPatient, [], [': expected an object; found Array']],
  ];
  for (const [map, settings, told] of cases) {
    const error = thrown(() => map('{}', { settings }));
    assert.ok(error instanceof SettingsError && error instanceof TypeError, error.message);
    assert.equal(error.name, 'SettingsError');
    const lines = error.problems.map(({ setting, problem }) => `${setting}: ${problem}`);
    assert.deepEqual(lines.sort(), [...told].sort());
  }
});

test('settings of one call are not those of the next', () => {
  const form = (settings) => mapClaimResponse(claim, { settings }).value._meta.form;
  assert.equal(form({ form: 'A' }), 'A');
  assert.equal(form({ form: 'B' }), 'B');
  thrown(() => form({ form: 7 }));
  assert.equal(form({ form: 'B' }), 'B');
  assert.equal(form(undefined), 'OP');
  assert.equal(form({}), 'OP');
  const changed = { form: 'C' };
  assert.equal(form(changed), 'C');
  changed.form = 'D';
  assert.equal(form(changed), 'D');
});

test('a Mapper reads its settings once, and keeps them apart from those of others', () => {
  const settings = { claimResponse: { form: 'A' }, patient: { default_place: 'a-place' } };
  const [one, other, plain] = [new Mapper(settings), new Mapper({ claimResponse: { form: 'B' } }), new Mapper()];
  settings.claimResponse.form = 'C';
  const form = (mapper) => mapper.mapClaimResponse(claim).value._meta.form;
  const { mapFeedback: alone } = one;
  for (let round = 0; round < 3; round += 1) {
    assert.deepEqual([one, other, plain].map(form), ['A', 'B', 'OP']);
    assert.equal(alone(feedback).body, mapFeedback(feedback).body);
  }
  const contact = { contact_id: 'a-contact' };
  assert.equal(one.mapClaimResponse(claim, { contact, claimDate: '2025-08-26' }).body, mapClaimResponse(claim, { contact, claimDate: '2025-08-26', settings: { form: 'A' } }).body);
  assert.match(thrown(() => one.mapClaimResponse(claim, { settings: {} })).message, /^options: settings unknown; expected contact, claimDate$/);
});

test('what is wrong with the settings of a Mapper is told when it is made', () => {
  const error = thrown(() => new Mapper({ claimResponse: {}, patient: { phone_prefix: '977' }, feedback: {} }));
  assert.ok(error instanceof SettingsError);
  assert.equal(error.message, 'settings.patient.phone_prefix: expected a country calling code such as +977');
  assert.match(thrown(() => new Mapper({ feedback: [] })).message, /^settings\.feedback: expected an object; found Array$/);
  assert.match(thrown(() => new Mapper({ claim: {} })).message, /^settings: claim unknown; expected claimResponse, feedback, patient$/);
});

test('more settings than are kept are read anew', () => {
  const mappers = Array.from({ length: 150 }, (_, number) => new Mapper({ claimResponse: { form: `F${number}` } }));
  for (const [number, mapper] of mappers.entries()) {
    assert.equal(mapper.mapClaimResponse(claim).value._meta.form, `F${number}`);
  }
  assert.equal(mapClaimResponse(claim).value._meta.form, 'OP');
});

test('characters beyond ASCII come out whole, in body, key and warnings', () => {
  const text = claim.toString().replaceAll('CHT979', 'दाबी-\u{1f600}');
  const contact = { contact_id: 'सम्पर्क' };
  const { value, idempotencyKey, warnings } = mapClaimResponse(Buffer.from(text), { contact });
  assert.deepEqual([value.op_claim_id, value.patient_id], ['दाबी-\u{1f600}', 'सम्पर्क']);
  assert.equal(idempotencyKey, `claim/${value.op_claim_uuid}`);
  assert.equal(warnings.length, 1);
  const push = { ...JSON.parse(feedback), doc: { _id: 'प्रतिवेदन' } };
  assert.equal(mapFeedback(push).idempotencyKey, 'feedback/प्रतिवेदन');
});

test('a mapped document says the same as JSON', () => {
  const mapped = mapClaimResponse(claim);
  const { body, idempotencyKey, warnings } = mapped;
  assert.deepEqual(JSON.parse(JSON.stringify(mapped)), { body, idempotencyKey, warnings });
});

test('a byte order mark is passed over, and other encodings are told by their names', () => {
  const { body } = mapClaimResponse(claim);
  assert.equal(mapClaimResponse(Buffer.concat([Buffer.from('\ufeff'), claim])).body, body);
  assert.equal(mapClaimResponse(`\ufeff${claim}`).body, body);
  for (const text of ['\ufeff{}', '{"id": 1}']) {
    const { issues } = thrown(() => mapClaimResponse(Buffer.from(text, 'utf16le')));
    assert.deepEqual(issues.map((issue) => issue.diagnostics), ['expected text in UTF-8; found UTF-16 (little endian)']);
  }
  const { issues } = thrown(() => mapClaimResponse(Buffer.from([0x1f, 0x8b, 8, 0])));
  assert.deepEqual(issues.map((issue) => issue.diagnostics), ['expected text in UTF-8; found data packed with gzip']);
});
