// The targets: feedback in time, and for the supervisor what nobody asked about.
const assert = require('node:assert/strict');
const { MOVED, NOT_HOME, comesIn, fillIn, test, world } = require('./world.cjs');

const harness = world();

const target = async id => {
  const [found] = await harness.getTargets({ type: id });
  return found.value;
};
const inTime = () => target('claims-feedback-in-time');
const expired = () => target('claims-feedback-expired');

test('feedback within 14 days counts, each claim once', async () => {
  await harness.setNow('2025-08-04');
  comesIn(harness, 1);
  comesIn(harness, 1, { _id: 'double' });
  comesIn(harness, 2);
  assert.deepEqual(await inTime(), { pass: 0, total: 2, percent: 0 });
  await fillIn(harness, 1);
  assert.deepEqual(await inTime(), { pass: 1, total: 2, percent: 50 });
  await harness.setNow('2025-08-18T23:00:00');
  await fillIn(harness, 2);
  assert.deepEqual(await inTime(), { pass: 2, total: 2, percent: 100 });
});

test('a patient who was not reached has given no feedback', async () => {
  await harness.setNow('2025-08-04');
  comesIn(harness, 1);
  comesIn(harness, 2);
  await fillIn(harness, 1, NOT_HOME);
  await fillIn(harness, 2, MOVED);
  assert.deepEqual(await inTime(), { pass: 0, total: 2, percent: 0 });
});

test('feedback after 14 days does not count', async () => {
  await harness.setNow('2025-08-04');
  comesIn(harness, 1);
  const [task] = await harness.getTasks();
  // The form stays open on the phone past the task's last day.
  await harness.setNow('2025-08-19');
  await harness.loadAction(task, ['yes'], ['yes', 'no', 'no', '4', '']);
  assert.deepEqual(await inTime(), { pass: 0, total: 1, percent: 0 });
});

test('a claim counts in the month in which it came in', async () => {
  await harness.setNow('2025-08-31');
  comesIn(harness, 1);
  await harness.setNow('2025-09-01');
  assert.deepEqual(await inTime(), { pass: 0, total: 0, percent: 0 });
});

test('a task that expires is counted for the supervisor at the latest a week later, and in one month only', async () => {
  await harness.setNow('2025-08-04');
  comesIn(harness, 1);
  comesIn(harness, 2);
  comesIn(harness, 3);
  await fillIn(harness, 2);
  await fillIn(harness, 3, NOT_HOME);
  await harness.setNow('2025-08-18T23:00:00');
  assert.equal((await expired()).pass, 0, 'on the last day');
  await harness.setNow('2025-08-25T23:00:01');
  assert.equal((await expired()).pass, 2, 'one that nobody asked about, one where nobody was at home');
  await harness.setNow('2025-09-10');
  assert.equal((await expired()).pass, 0, 'the next month');
});

test('nobody is blamed for not asking a person who has died or is muted', async () => {
  for (const changes of [{ date_of_death: Date.parse('2025-08-10') }, { muted: '2025-08-10T08:00:00.000Z' }]) {
    await harness.setNow('2025-08-04');
    comesIn(harness, 1);
    await harness.setNow('2025-08-20');
    assert.equal((await expired()).pass, 1);
    Object.assign(harness.state.contacts.find(({ _id }) => _id === 'sita'), changes);
    assert.equal((await expired()).pass, 0, Object.keys(changes)[0]);
    await harness.clear();
  }
});

test('what expires in the last days of a month is counted in the next one', async () => {
  await harness.setNow('2025-08-14');
  comesIn(harness, 1);
  await harness.setNow('2025-08-28');
  assert.equal((await expired()).pass, 0, 'on the last day');
  await harness.setNow('2025-09-01T08:00:00');
  assert.equal((await expired()).pass, 1);
});

test('what expired is in the supervisor\'s aggregate and not on the health worker\'s page', () => {
  const { items } = harness.appSettings.tasks.targets;
  const shown = Object.fromEntries(items.map(({ id, aggregate, visible }) => [id, { aggregate, visible: visible !== false }]));
  assert.deepEqual(shown['claims-feedback-expired'], { aggregate: true, visible: false });
  assert.deepEqual(shown['claims-feedback-in-time'], { aggregate: true, visible: true });
  assert.ok(harness.appSettings.permissions.can_aggregate_targets.includes('chw_supervisor'));
});
