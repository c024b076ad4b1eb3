// Draws pictures/: the form as CHT's form component shows it in the harness, and the task as the harness computes it. (CHT's own
// list of tasks is not in the harness: the task's data are set in a plain list here.) The time in the page stands still.
const fs = require('node:fs');
const path = require('node:path');
const Harness = require('cht-conf-test-harness');
const { ROOT, comesIn, nameBrowser } = require('../test/world.cjs');

const WIDTH = 400;
// Emoji in colour, as phones have them.
const FORM_FONTS = '* { font-family: Noto, "Lohit Devanagari", "Noto Color Emoji" !important; }';

const texts = language => Object.fromEntries(fs.readFileSync(path.join(ROOT, `translations/messages-${language}.properties`), 'utf8')
  .split('\n').filter(Boolean).map(line => line.split(' = ')));

/** The page down to the end of an element. */
const save = async (page, name, last) => {
  const file = path.join(ROOT, 'pictures', `${name}.png`);
  await page.setViewport({ width: WIDTH, height: 2000 });
  const height = await page.evaluate(end => Math.ceil(document.querySelector(end).getBoundingClientRect().bottom), last);
  await page.setViewport({ width: WIDTH, height });
  await page.screenshot({ path: file });
  console.log(`${name}.png: ${fs.statSync(file).size} bytes`);
};

const formPages = async (harness, task, language) => {
  const { page } = harness;
  await harness.loadAction(task);
  await page.addStyleTag({ content: FORM_FONTS });
  await page.evaluate(chosen => {
    const select = document.querySelector('#form-languages');
    select.value = chosen;
    select.dispatchEvent(new Event('change'));
  }, language);
  const choose = answers => page.evaluate(chosen => Object.entries(chosen).forEach(([name, value]) =>
    document.querySelector(`[data-name$="/${name}"][value="${value}"]`).click()), answers);
  const turnTo = async group => {
    await page.evaluate(() => document.querySelector('button.next-page').click());
    await page.waitForFunction(name => document.querySelector('section.current').getAttribute('name').endsWith(name), { polling: 'mutation' }, group);
  };
  await choose({ reached: 'yes' });
  await save(page, `form-1-${language}`, '.form-footer');
  await turnTo('claim_feedback_group');
  await choose({ care_rendered: 'yes', payment_asked: 'yes', drug_prescribed: 'yes', drug_received_answer: 'no', assessment_rating: '3' });
  await save(page, `form-2-${language}`, '.form-footer');
};

const taskList = async (harness, tasks, language) => {
  const page = await harness.browser.newPage();
  await page.setViewport({ width: WIDTH, height: 600 });
  const titles = texts(language);
  const icon = fs.readFileSync(path.join(ROOT, 'resources/icon-openimis-claim.svg'), 'utf8');
  const row = ({ emission }) => `<li>${icon}<div><b>${emission.contact.name}</b><p>${titles[emission.title]}</p></div><time>${emission.dueDate}</time></li>`;
  const style = `body { margin: 0; font-family: "DejaVu Sans", "Lohit Devanagari" } ul { list-style: none; margin: 0; padding: 0 } p { margin: 2px 0 0; color: #555 }
    li { display: flex; gap: 12px; align-items: center; padding: 12px 16px; border-bottom: 1px solid #ddd } div { flex: 1 }
    svg { width: 32px; height: 32px } time { color: #777; font-size: 14px }`;
  await page.setContent(`<style>${style}</style><ul>${tasks.map(row).join('')}</ul>`);
  await save(page, `tasks-${language}`, 'ul');
};

(async () => {
  nameBrowser();
  const harness = new Harness({
    directory: ROOT, harnessDataPath: path.join(ROOT, 'test/harness.defaults.json'), headless: true, args: ['--no-sandbox', '--disable-gpu'],
    defaultViewport: { width: WIDTH, height: 800 },
  });
  await harness.start();
  await harness.setNow('2025-08-25');
  comesIn(harness, 979);
  comesIn(harness, 981, { fields: { op_day: '8' } });
  const tasks = await harness.getTasks();
  for (const language of ['en', 'fr', 'ne']) {
    await taskList(harness, tasks, language);
    await formPages(harness, tasks[0], language);
  }
  await harness.stop();
})().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
