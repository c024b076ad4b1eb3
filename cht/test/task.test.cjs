// The task: raised by a claim's report, for whom, when, and what ends it.
const assert = require('node:assert/strict');
const { MOVED, NOT_HOME, REACHED, comesIn, fillIn, test, uuidOf, world } = require('./world.cjs');

const harness = world();

const labels = async options => (await harness.getTasks(options)).map(({ emission }) => emission.contact.name).sort();

test('a claim raises a task at once, which names the person and the claim', async () => {
  await harness.setNow('2025-08-25');
  assert.deepEqual(await harness.getTasks(), []);
  comesIn(harness, 979);
  const [task, ...others] = await harness.getTasks();
  assert.deepEqual(others, []);
  const { title, contact, forId, dueDate, startDate, endDate, actions } = task.emission;
  assert.equal(title, 'task.claims_feedback.title');
  assert.equal(contact.name, 'Sita Sharma · CHT979');
  assert.equal(forId, 'sita');
  assert.deepEqual({ startDate, dueDate, endDate }, { startDate: '2025-08-25', dueDate: '2025-09-01', endDate: '2025-09-08' });
  assert.deepEqual(actions.map(({ form }) => form), ['claims_feedback']);
  const { op_claim_id, op_claim_uuid, op_claim_date, openimis_id } = actions[0].content;
  assert.deepEqual({ op_claim_id, op_claim_uuid, op_claim_date, openimis_id }, {
    op_claim_id: 'CHT979', op_claim_uuid: uuidOf(979), op_claim_date: '2082-05-09', openimis_id: '7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73',
  });
});

test('a record that ties the patient by its short id raises the task, too', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979, { fields: { patient_id: '40123' } });
  assert.deepEqual(await labels(), ['Sita Sharma · CHT979']);
});

test('a person whose short id CHT has not made yet is asked about all the same', async () => {
  await harness.setNow('2025-08-25');
  delete harness.state.contacts.find(({ _id }) => _id === 'sita').patient_id;
  comesIn(harness, 979);
  const { errors, report } = await fillIn(harness, 979);
  assert.deepEqual(errors, []);
  assert.deepEqual([report.fields.patient_id, report.fields.patient_uuid], ['', 'sita']);
  assert.deepEqual(await harness.getTasks(), []);
});

test('the task is there for two weeks', async () => {
  await harness.setNow('2025-08-25T15:00:00');
  comesIn(harness, 979);
  await harness.flush(14);
  assert.equal((await harness.getTasks()).length, 1, 'on its last day');
  await harness.flush(1);
  assert.deepEqual(await harness.getTasks(), []);
  assert.equal((await harness.countTaskDocsByState()).Failed, 1);
});

test('the form for the claim completes the task, on the last day as on the first', async () => {
  for (const day of [0, 14]) {
    await harness.setNow('2025-08-25');
    comesIn(harness, 979);
    await harness.getTasks();
    await harness.flush(day);
    const { errors } = await fillIn(harness, 979);
    assert.deepEqual(errors, []);
    assert.deepEqual(await harness.getTasks(), []);
    assert.equal((await harness.countTaskDocsByState()).Completed, 1, `day ${day}`);
    await harness.clear();
  }
});

test('each claim of a patient has its own task, and only its own form completes it', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 1);
  comesIn(harness, 2);
  comesIn(harness, 3);
  assert.deepEqual(await labels(), ['Sita Sharma · CHT1', 'Sita Sharma · CHT2', 'Sita Sharma · CHT3']);
  await fillIn(harness, 2);
  assert.deepEqual(await labels(), ['Sita Sharma · CHT1', 'Sita Sharma · CHT3']);
  await fillIn(harness, 1, MOVED);
  assert.deepEqual(await labels(), ['Sita Sharma · CHT3']);
  // A claim that comes in after the answers to another one is asked about all the same.
  await harness.flush(1);
  comesIn(harness, 4);
  assert.deepEqual(await labels(), ['Sita Sharma · CHT3', 'Sita Sharma · CHT4']);
});

test('nobody at home keeps the task until somebody was', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  for (const day of [0, 2, 5]) {
    await harness.setNow(`2025-08-${25 + day}`);
    await fillIn(harness, 979, NOT_HOME);
    assert.equal((await harness.getTasks()).length, 1, `after day ${day}`);
  }
  await fillIn(harness, 979, REACHED);
  assert.deepEqual(await harness.getTasks(), []);
});

test('every other reason ends the task', async () => {
  for (const page of [['no', 'moved'], ['no', 'died'], ['no', 'refused'], ['no', 'unknown'], ['no', 'other', 'In prison']]) {
    await harness.setNow('2025-08-25');
    comesIn(harness, 979);
    const { errors } = await fillIn(harness, 979, [page, []]);
    assert.deepEqual(errors, []);
    assert.deepEqual(await harness.getTasks(), [], page[1]);
    await harness.clear();
  }
});

test('a claim that was sent to CHT twice is asked about once', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  comesIn(harness, 979, { _id: 'again' });
  await harness.flush(1);
  comesIn(harness, 979, { _id: 'later' });
  assert.deepEqual(await labels(), ['Sita Sharma · CHT979']);
  await fillIn(harness, 979);
  assert.deepEqual(await harness.getTasks(), []);
});

test('no task comes from a record that CHT found errors in, nor from one without the claim\'s uuid', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 1, { errors: [{ code: 'sys.missing_fields', message: 'Missing or invalid fields: op_day.' }] });
  comesIn(harness, 2, { fields: { op_claim_uuid: '' } });
  assert.deepEqual(await harness.getTasks(), []);
});

test('a record with errors does not stand in the way of the sound one that follows', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979, { _id: 'faulty', errors: [{ code: 'registration_not_found', message: 'No person' }] });
  await harness.flush(1);
  comesIn(harness, 979);
  assert.deepEqual(await labels(), ['Sita Sharma · CHT979']);
});

test('the task is for who may ask: a supervisor who sees the same people has none', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  assert.deepEqual(await labels({ user: 'supervisor', userRoles: ['chw_supervisor'] }), []);
  assert.deepEqual(await labels({ user: 'chw', userRoles: ['chw'] }), ['Sita Sharma · CHT979']);
});

test('nobody is sent to somebody who has died or is muted', async () => {
  for (const changes of [{ date_of_death: Date.parse('2025-08-01') }, { muted: '2025-08-01T08:00:00.000Z' }]) {
    await harness.setNow('2025-08-25');
    comesIn(harness, 979);
    assert.equal((await harness.getTasks()).length, 1);
    Object.assign(harness.state.contacts.find(({ _id }) => _id === 'sita'), changes);
    assert.deepEqual(await harness.getTasks(), [], Object.keys(changes)[0]);
    await harness.clear();
  }
});

test('the Gregorian record of another country raises the same task', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979, { fields: { op_year: '2025', op_month: '8', op_day: '25' } });
  const [task] = await harness.getTasks();
  assert.equal(task.emission.actions[0].content.op_claim_date, '2025-08-25');
});
