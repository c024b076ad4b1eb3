// The form: which answers lead to which fields, and to which push.
const assert = require('node:assert/strict');
const { pushed } = require('./outbound.cjs');
const { MOVED, NOT_HOME, comesIn, fillIn, test, uuidOf, world } = require('./world.cjs');

const harness = world();

/** A claim comes in and its form is filled in. */
const answered = async (...pages) => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  const result = await fillIn(harness, 979, pages);
  return { ...result, push: result.report && pushed(harness.appSettings, result.report) };
};

test('every answer has its field in the report and in the push', async () => {
  const { errors, report, push } = await answered(['yes'], ['yes', 'yes', '250', 'yes', 'no', '2', 'Waited long']);
  assert.deepEqual(errors, []);
  assert.deepEqual(report.fields.claim_feedback_group, {
    care_rendered: 'yes', payment_asked: 'yes', payment_amount: '250', drug_prescribed: 'yes', drug_received_answer: 'no',
    drug_received: 'no', assessment_rating: '2', comment: 'Waited long',
  });
  assert.deepEqual(push, {
    doc: { _id: report._id },
    care_rendered: 'yes', payment_asked: 'yes', drug_prescribed: 'yes', drug_received: 'no', assessment_rating: '2',
    claimuuid: uuidOf(979), insureeuuid: '7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73',
  });
});

test('the report belongs to the patient and names the claim', async () => {
  const { report } = await answered(['yes'], ['yes', 'no', 'no', '5', '']);
  const { patient_uuid, patient_id, patient_name, claim_code, claim_date, inputs } = report.fields;
  assert.deepEqual({ patient_uuid, patient_id, patient_name }, { patient_uuid: 'sita', patient_id: '40123', patient_name: 'Sita Sharma' });
  assert.deepEqual({ claim_code, claim_date }, { claim_code: 'CHT979', claim_date: '2082-05-09' });
  assert.equal(inputs.source, 'task');
  assert.equal(inputs.source_id, 'report-of-claim-979');
});

test('drugs received are asked for only if some were prescribed, and still five answers arrive', async () => {
  // Five questions on the page without it; six with it.
  const { errors, report, push } = await answered(['yes'], ['no', 'no', 'no', '0', '']);
  assert.deepEqual(errors, []);
  assert.equal(report.fields.claim_feedback_group.drug_received_answer, undefined, 'it was not asked');
  const { care_rendered, payment_asked, drug_prescribed, drug_received, assessment_rating } = push;
  assert.deepEqual([care_rendered, payment_asked, drug_prescribed, drug_received, assessment_rating], ['no', 'no', 'no', 'no', '0']);
});

test('an answer on drugs does not outlive the prescription that was corrected', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  await harness.loadAction((await harness.getTasks())[0]);
  const choose = (name, value) => harness.page.evaluate(
    (field, answer) => document.querySelector(`[data-name$="/${field}"][value="${answer}"]`).click(), name, value);
  await choose('reached', 'yes');
  await choose('drug_prescribed', 'yes');
  await choose('drug_received_answer', 'yes');
  const { errors, report } = await harness.fillForm([null], ['yes', 'no', 'no', '3', '']);
  assert.deepEqual(errors, []);
  assert.equal(pushed(harness.appSettings, report).drug_received, 'no');
});

test('answers that were given before the patient turned out not to be there are not kept, nor a reason that no longer holds', async () => {
  const choose = (name, value) => harness.page.evaluate(
    (field, answer) => document.querySelector(`[data-name$="/${field}"][value="${answer}"]`).click(), name, value);
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  await harness.loadAction((await harness.getTasks())[0]);
  const answers = { reached: 'yes', care_rendered: 'yes', payment_asked: 'no', drug_prescribed: 'no', assessment_rating: '4' };
  for (const [name, value] of Object.entries(answers)) await choose(name, value);
  await choose('reached', 'no');
  await choose('not_reached_reason', 'moved');
  const absent = await harness.fillForm([null, null], []);
  assert.deepEqual(absent.errors, []);
  assert.equal(absent.report.fields.claim_feedback_group, undefined);
  assert.equal(pushed(harness.appSettings, absent.report), undefined);
  await harness.clear();

  comesIn(harness, 979);
  await harness.loadAction((await harness.getTasks())[0]);
  await choose('reached', 'no');
  await choose('not_reached_reason', 'other');
  await choose('reached', 'yes');
  const there = await harness.fillForm([null], ['yes', 'no', 'no', '4', '']);
  assert.deepEqual(there.errors, []);
  assert.equal(there.report.fields.visit.not_reached_reason, undefined);
  assert.equal(pushed(harness.appSettings, there.report).assessment_rating, '4');
});

test('drugs that were prescribed have to be answered for', async () => {
  const { report, errors } = await answered(['yes'], ['yes', 'no', 'yes', null, '4', '']);
  assert.equal(report, undefined);
  assert.match(JSON.stringify(errors), /Please answer/);
});

test('the amount stays in CHT', async () => {
  const { report, push } = await answered(['yes'], ['yes', 'yes', '1250.5', 'no', '4', 'private words']);
  assert.equal(report.fields.claim_feedback_group.payment_amount, '1250.5');
  assert.doesNotMatch(JSON.stringify(push), /1250|private|amount|comment/);
});

test('the amount may stay empty, but not be nothing', async () => {
  const empty = await answered(['yes'], ['yes', 'yes', '', 'no', '4', '']);
  assert.deepEqual(empty.errors, []);
  assert.equal(empty.push.payment_asked, 'yes');
  await harness.clear();
  const zero = await answered(['yes'], ['yes', 'yes', '0', 'no', '4', '']);
  assert.equal(zero.report, undefined);
  assert.match(JSON.stringify(zero.errors), /above 0/);
});

test('nothing is invented: each question that is pushed has to be answered', async () => {
  const complete = ['yes', 'no', 'no', '4', ''];
  for (const unanswered of [0, 1, 2, 3]) {
    const { report, errors } = await answered(['yes'], complete.map((answer, at) => (at === unanswered ? null : answer)));
    assert.equal(report, undefined, `question ${unanswered}`);
    assert.match(JSON.stringify(errors), /Please answer/);
    await harness.clear();
  }
});

test('a patient who was not reached makes no feedback', async () => {
  for (const answers of [NOT_HOME, MOVED, [['no', 'died'], []], [['no', 'refused'], []], [['no', 'other', 'In hospital'], []]]) {
    const { errors, report, push } = await answered(...answers);
    assert.deepEqual(errors, []);
    assert.equal(report.fields.visit.not_reached_reason, answers[0][1]);
    assert.equal(report.fields.claim_feedback_group, undefined);
    assert.equal(push, undefined);
    await harness.clear();
  }
});

test('a reason is wanted, and words for another one', async () => {
  for (const page of [['no'], ['no', 'other']]) {
    const { report, errors } = await answered(page);
    assert.equal(report, undefined);
    assert.match(JSON.stringify(errors), /Please answer/);
    await harness.clear();
  }
});

test('a contact from before the mediator has no insuree uuid, and the push goes all the same', async () => {
  await harness.setNow('2025-08-25');
  harness.subject = 'ram';
  comesIn(harness, 980, { fields: { patient_id: 'ram' } });
  const { report } = await fillIn(harness, 980);
  assert.equal(pushed(harness.appSettings, report).insureeuuid, '');
});

test('no other document of CHT is pushed, and none stops CHT with an error', async () => {
  const others = [
    {}, { type: 'person', name: 'Sita' }, { form: 'OP', fields: {} }, { form: 'claims_feedback' }, { form: 'claims_feedback', fields: {} },
    { form: 'claims_feedback', fields: { visit: {} } }, { form: 'pregnancy', fields: { visit: { reached: 'yes' } } },
  ];
  others.forEach(doc => assert.equal(pushed(harness.appSettings, doc), undefined, JSON.stringify(doc)));
});
