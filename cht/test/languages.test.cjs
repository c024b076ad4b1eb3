// English, French and Nepali: in the form as it is shown, and in the texts of the app.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { NOT_HOME, ROOT, comesIn, fillIn, test, world } = require('./world.cjs');

const harness = world();
const LANGUAGES = ['en', 'fr', 'ne'];

const shownIn = async language => {
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  await harness.loadAction((await harness.getTasks())[0]);
  const texts = await harness.page.evaluate(chosen => {
    const select = document.querySelector('#form-languages');
    select.value = chosen;
    select.dispatchEvent(new Event('change'));
    return [...document.querySelectorAll('form [lang].active')].map(span => ({ lang: span.lang, text: span.textContent.trim() }));
  }, language);
  await harness.clear();
  return texts;
};

test('the form speaks English, French and Nepali, and each of them throughout', async () => {
  const shown = {};
  for (const language of LANGUAGES) {
    shown[language] = await shownIn(language);
    assert.ok(shown[language].every(({ lang, text }) => lang === language && text), language);
  }
  assert.ok(shown.en.length > 30, `${shown.en.length} texts`);
  assert.deepEqual(LANGUAGES.map(language => shown[language].length), Array(3).fill(shown.en.length));
  // A text that nobody has translated shows as the English one.
  const alike = ['Questions', '3 😐 Acceptable'];
  for (const language of ['fr', 'ne']) {
    const same = shown[language].filter(({ text }, at) => text === shown.en[at].text && !alike.includes(text));
    assert.deepEqual(same, []);
  }
  const has = (language, text) => assert.ok(shown[language].some(span => span.text.includes(text)), `${language}: ${text}`);
  has('en', 'Can you speak with Sita Sharma');
  has('fr', 'Pouvez-vous parler avec Sita Sharma');
  has('ne', 'के तपाईं Sita Sharma');
});

test('a rating has its number, a face and a word in each language', async () => {
  const faces = { 0: '😡', 1: '🙁', 2: '😕', 3: '😐', 4: '🙂', 5: '😀' };
  for (const language of LANGUAGES) {
    const texts = (await shownIn(language)).map(({ text }) => text);
    for (const [number, face] of Object.entries(faces)) {
      const digit = language === 'ne' ? '०१२३४५'[number] : number;
      assert.ok(texts.some(text => text.startsWith(`${digit} ${face} `) && text.length > 6), `${language} ${number}`);
    }
  }
});

const messages = language => {
  const text = fs.readFileSync(path.join(ROOT, `translations/messages-${language}.properties`), 'utf8');
  return new Map(text.split('\n').filter(Boolean).map(line => line.split(' = ')));
};

test('the texts of the app are there in all languages, and no key of ours lacks its text', () => {
  const [en, ...others] = LANGUAGES.map(messages);
  for (const other of others) {
    assert.deepEqual([...other.keys()], [...en.keys()]);
    assert.ok([...other.values()].every(Boolean));
  }
  const used = JSON.stringify(harness.appSettings).match(/\b(forms\.op|report\.OP|task\.claims_feedback|targets\.claims_feedback)\.[a-z_]+/g);
  const states = ['title', 'waiting', 'answered', 'not_reached', 'expired'].map(state => `contact.claims.${state}`);
  const missing = [...used, ...states, 'usertype.openimis-mediator'].filter(key => !en.has(key));
  assert.deepEqual(missing, []);
  assert.ok(used.length > 10);
});

/** The labels of a report's page, as CHT's format-data-record makes them of the report. */
const shownOf = ({ fields, hidden_fields }) => {
  const labels = (values, prefix) => Object.entries(values).flatMap(([name, value]) =>
    [`${prefix}${name}`, ...(value && typeof value === 'object' ? labels(value, `${prefix}${name}.`) : [])]);
  const hidden = [...hidden_fields, 'inputs'];
  return labels(fields, '').filter(label => !hidden.some(name => label === name || label.startsWith(`${name}.`)));
};

test('each line of a report\'s page has its text, and no note of the form is a line there', async () => {
  const en = messages('en');
  const cases = [[['yes'], ['yes', 'yes', '120', 'yes', 'no', '3', 'Waited long']], NOT_HOME, [['no', 'other', 'In hospital'], []]];
  const seen = new Set();
  for (const answers of cases) {
    await harness.setNow('2025-08-25');
    comesIn(harness, 979);
    const { report } = await fillIn(harness, 979, answers);
    shownOf(report).forEach(label => seen.add(label));
    await harness.clear();
  }
  assert.deepEqual([...seen].filter(label => !en.has(`report.claims_feedback.${label}`)), []);
  // And the other way round: no text for what is not there.
  const texts = [...en.keys()].filter(key => key.startsWith('report.claims_feedback.')).map(key => key.slice('report.claims_feedback.'.length));
  assert.deepEqual(texts.filter(label => !seen.has(label)), []);
});
