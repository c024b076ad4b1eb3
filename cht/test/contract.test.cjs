// A claim of openIMIS through the mediator's mapping, CHT's task and form and the outbound push, to the Communication that
// goes back. The pushes are kept in fixtures/pushes.json, which tests/tests/openimis posts to a real openIMIS.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before } = require('node:test');
const { documentedClaim, mapping, stored } = require('./mapping.cjs');
const { pushed } = require('./outbound.cjs');
const { test, world } = require('./world.cjs');

const harness = world();
const FIXTURE = path.join(__dirname, 'fixtures/pushes.json');
const CLAIM = 'd3256498-ad16-4482-a2d2-4a6d9c78ba81';
const INSUREE = '7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73';
const CASES = [
  { name: 'everything yes', patient: 'sita', answers: ['yes', 'yes', '120', 'yes', 'yes', '5', 'Thank you'] },
  { name: 'no drugs prescribed', patient: 'sita', answers: ['yes', 'no', 'no', '0', ''] },
  { name: 'drugs not received', patient: 'sita', answers: ['no', 'yes', '', 'yes', 'no', '2', ''] },
  { name: 'a contact from before the mediator', patient: 'ram', answers: ['yes', 'no', 'no', '4', ''] },
];

let mappings;
before(async () => { mappings = await mapping(); });

/** The whole way for one claim; returns what CHT pushes. */
const push = async ({ patient, answers }) => {
  await harness.setNow('2025-08-25');
  harness.subject = patient;
  const { value: record } = mappings.mapClaimResponse(documentedClaim(), { contact: { contact_id: patient } });
  harness.pushMockedDoc(stored(record, harness.getNow()));
  const [task, ...others] = await harness.getTasks();
  assert.deepEqual(others, []);
  const { errors, report } = await harness.loadAction(task, ['yes'], answers);
  assert.deepEqual(errors, []);
  report._id = 'report-of-the-form';
  assert.deepEqual(await harness.getTasks(), []);
  return pushed(harness.appSettings, report);
};

const answersOf = communication => Object.fromEntries(communication.payload.map(({ extension, contentString }) =>
  [extension[0].valueCodeableConcept.coding[0].code, contentString]));

test('a claim leads to a task, the task to the form, the form to a push that the mapping turns into a Communication', async () => {
  const made = [];
  for (const one of CASES) {
    const body = await push(one);
    made.push({ name: one.name, push: body });
    const known = { insureeUuid: INSUREE };
    const { value, warnings, idempotencyKey } = mappings.mapFeedback(JSON.stringify(body), body.insureeuuid ? {} : known);
    assert.deepEqual(warnings, []);
    assert.equal(idempotencyKey, 'feedback/report-of-the-form');
    assert.equal(value.subject.reference, `Patient/${INSUREE}`);
    assert.equal(value.about[0].reference, `Claim/${CLAIM}`);
    assert.deepEqual(answersOf(value), {
      CareRendered: body.care_rendered, PaymentAsked: body.payment_asked, DrugPrescribed: body.drug_prescribed,
      DrugReceived: body.drug_received, Asessment: body.assessment_rating,
    });
    await harness.clear();
  }
  const text = `${JSON.stringify(made, null, 2)}\n`;
  if (process.env.BLESS) {
    fs.mkdirSync(path.dirname(FIXTURE), { recursive: true });
    fs.writeFileSync(FIXTURE, text);
  }
  assert.equal(fs.readFileSync(FIXTURE, 'utf8'), text, 'if this is what is wanted: BLESS=1 npm test');
});

test('without the insuree the mapping says what is missing, so the optional key stays optional', async () => {
  const body = await push(CASES[3]);
  assert.equal(body.insureeuuid, '');
  assert.throws(() => mappings.mapFeedback(JSON.stringify(body)), error => /insureeuuid/.test(JSON.stringify(error.issues)));
});
