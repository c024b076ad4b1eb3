// CHT's own harness with this configuration, and what the tests ask of it.
const fs = require('node:fs');
const path = require('node:path');
const { after, afterEach, before, test: nodeTest } = require('node:test');
const Harness = require('cht-conf-test-harness');

const ROOT = path.dirname(__dirname);
const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser: from the environment, or the first on the PATH. */
const chromium = () => {
  const found = (process.env.PATH || '').split(path.delimiter)
    .flatMap(folder => CHROMIUM.map(name => path.join(folder, name)))
    .find(file => fs.existsSync(file));
  const browser = process.env.PUPPETEER_EXECUTABLE_PATH || found;
  if (!browser) {
    throw new Error('no Chromium on the PATH; set PUPPETEER_EXECUTABLE_PATH');
  }
  return browser;
};

/** The harness asks this package for a browser, which would download one if this file did not name one. */
const nameBrowser = () => {
  const folder = path.dirname(require.resolve('puppeteer-chromium-resolver/package.json'));
  fs.writeFileSync(path.join(folder, '.stats.json'), JSON.stringify({ executablePath: chromium() }));
};

/** A test that ends: a form that does not turn its page would keep the harness waiting for ever. */
const test = (name, body) => nodeTest(name, { timeout: 60_000 }, body);

/** One harness for a file of tests, cleared after each of them. */
const world = (options = {}) => {
  nameBrowser();
  const harness = new Harness({
    directory: ROOT,
    harnessDataPath: path.join(__dirname, 'harness.defaults.json'),
    headless: true,
    // Tests look at them themselves.
    logFormErrors: false,
    // Chromium's sandbox does not start for root; the pages are our own.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    ...options,
  });
  before(() => harness.start());
  after(() => harness.stop());
  afterEach(() => harness.clear());
  return harness;
};

const uuidOf = number => `d3256498-ad16-4482-a2d2-${String(number).padStart(12, '0')}`;

/** A claim's report as CHT stores what the mediator posts (`POST /api/v2/records`). */
const claim = (number, changes = {}) => {
  const { fields, ...rest } = changes;
  return {
    _id: `report-of-claim-${number}`,
    type: 'data_record',
    form: 'OP',
    errors: [],
    tasks: [],
    reported_date: Date.now(),
    ...rest,
    fields: {
      patient_id: 'sita',
      op_claim_id: `CHT${number}`,
      op_claim_uuid: uuidOf(number),
      op_year: '2082',
      op_month: '5',
      op_day: '9',
      op_date: 1756080000000,
      ...fields,
    },
  };
};

/** A claim comes in now. Returns its report. */
const comesIn = (harness, number, changes = {}) => {
  const report = claim(number, { reported_date: harness.getNow(), ...changes });
  harness.pushMockedDoc(report);
  return report;
};

/** The answers of the form, page by page. */
const REACHED = [['yes'], ['yes', 'no', 'no', '4', '']];
const NOT_HOME = [['no', 'not_home'], []];
const MOVED = [['no', 'moved'], []];

/** Opens the only task with this claim's code and fills its form in. */
const fillIn = async (harness, number, answers = REACHED) => {
  const task = (await harness.getTasks()).find(({ emission }) => emission.contact.name.endsWith(`CHT${number}`));
  if (!task) {
    throw new Error(`no task for CHT${number}`);
  }
  return harness.loadAction(task, ...answers);
};

module.exports = { MOVED, NOT_HOME, REACHED, ROOT, chromium, claim, comesIn, fillIn, nameBrowser, test, uuidOf, world };
