// The card on the insured person's page.
const assert = require('node:assert/strict');
const { MOVED, NOT_HOME, comesIn, fillIn, test, world } = require('./world.cjs');

const harness = world();

const card = async contact => {
  const { cards } = await harness.getContactSummary(contact);
  const found = cards.find(({ label }) => label === 'contact.claims.title');
  return found && Object.fromEntries(found.fields.map(({ label, value }) => [label, value]));
};

test('each claim is listed with what has become of it, the newest first', async () => {
  await harness.setNow('2025-08-01');
  comesIn(harness, 1);
  await harness.setNow('2025-08-20');
  [2, 3, 4].forEach(number => comesIn(harness, number));
  await fillIn(harness, 2);
  await fillIn(harness, 3, MOVED);
  await fillIn(harness, 4, NOT_HOME);
  await harness.setNow('2025-08-21');
  comesIn(harness, 5, { fields: { op_day: '10' } });
  const claims = await card();
  assert.equal(Object.keys(claims)[0], 'CHT5 · 2082-05-10');
  assert.deepEqual(claims, {
    'CHT5 · 2082-05-10': 'contact.claims.waiting',
    'CHT2 · 2082-05-09': 'contact.claims.answered',
    'CHT3 · 2082-05-09': 'contact.claims.not_reached',
    'CHT4 · 2082-05-09': 'contact.claims.waiting',
    'CHT1 · 2082-05-09': 'contact.claims.expired',
  });
});

test('nobody is asked for feedback of a person who has died or is muted', async () => {
  for (const changes of [{ date_of_death: Date.parse('2025-08-26') }, { muted: '2025-08-26T08:00:00.000Z' }]) {
    await harness.setNow('2025-08-25');
    comesIn(harness, 1);
    comesIn(harness, 2);
    await fillIn(harness, 2);
    Object.assign(harness.state.contacts.find(({ _id }) => _id === 'sita'), changes);
    assert.deepEqual(Object.values(await card()).sort(), ['contact.claims.answered', 'contact.claims.not_reached']);
    await harness.clear();
  }
});

test('a double is listed once', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 1);
  comesIn(harness, 1, { _id: 'double' });
  assert.equal(Object.keys(await card()).length, 1);
});

test('who has no claim has no card, and a household does not show its members\' claims', async () => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 1);
  assert.equal(await card('ram'), undefined);
  assert.equal(await card('household'), undefined);
  assert.ok(await card('sita'));
});
