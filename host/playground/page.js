// The page: what is typed, pasted or dropped is mapped at once, and shown. No framework, nothing from elsewhere.

import { indented, lineOf, place, read, toldPlace } from './json.js';
import { kinds, recognised, samples } from './kinds.js';
import { formOf, knownOf, showForm } from './forms.js';

const LONGEST_FILE_BYTES = 16 << 20;
const at = (id) => document.getElementById(id);
const input = at('document');
const settings = at('settings');

const defaultsOf = (kind) => JSON.stringify(kinds[kind].settings, null, 2);
/** What is kept for each kind while another one is shown. `isOwn`: somebody has set them, and no sample or default. */
const kept = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { settings: defaultsOf(kind), isOwn: false, known: {} }]));
let kind = 'claim-response';
/** The mappings, once they are loaded. */
let engine = null;
/** Bytes of a file that are not UTF-8; what the text field shows of them is not what is mapped. */
let bytes = null;
let copyable = '';
/** Counts the documents that were asked for: one that comes late must not take the place of a newer one. */
let asked = 0;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Sets a text only if it is another one: screen readers tell every change. */
function say(id, text, look = '') {
  const target = at(id);
  if (target.textContent !== text) target.textContent = text;
  if (target.className !== look) target.className = look;
}

function showKind(next) {
  kind = next;
  settings.value = kept[kind].settings;
  showForm(at('form'), at('known'), kinds[kind], kept[kind].known, changedForm, changedKnown);
  say('settings-of', `of ${kinds[kind].name} to ${kinds[kind].becomes}`, 'quiet');
}

/** The settings as an object; a mistake is told beside them. */
function readSettings() {
  let value = null;
  let problem = '';
  try {
    value = JSON.parse(settings.value);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) problem = 'The settings are no JSON object.';
  } catch (error) {
    problem = `The settings are no JSON: ${error.message}`;
  }
  settingsProblem(problem);
  return problem ? null : value;
}

function settingsProblem(problem) {
  say('settings-problem', problem, 'bad');
  if (problem) settings.setAttribute('aria-invalid', 'true');
  else settings.removeAttribute('aria-invalid');
}

function changedForm(path, value) {
  const all = readSettings();
  if (!all) return;
  let part = all;
  for (const key of path.slice(0, -1)) part = part[key] ??= {};
  part[path.at(-1)] = value;
  settings.value = JSON.stringify(all, null, 2);
  keepSettings(settings.value, true);
  map();
}

function keepSettings(text, isOwn, of = kind) {
  Object.assign(kept[of], { settings: text, isOwn });
}

function changedKnown(key, value) {
  kept[kind].known[key] = value;
  map();
}

/** Maps what is there and shows what comes of it. */
function map() {
  const text = input.value;
  const tree = read(text);
  const next = at('kind').value || recognised(tree) || kind;
  if (next !== kind) showKind(next);
  say('taken', at('kind').value ? '' : `taken as ${kinds[kind].name}`, 'quiet');
  const chosen = readSettings();
  formOf(at('form'), kinds[kind], chosen);
  if (!engine) return;
  if (!text && !bytes) return showNothing('Nothing to map yet: paste a document or take a sample.');
  if (!chosen) return showNothing('The settings have to be corrected first.');
  const begun = performance.now();
  let result;
  try {
    result = engine[kind](bytes ?? text, chosen, knownOf(kinds[kind], kept[kind].known));
  } catch (error) {
    if (Array.isArray(error.issues)) {
      result = { issues: error.issues };
    } else if (Array.isArray(error.problems)) {
      settingsProblem(error.message);
      return showNothing('The settings have to be corrected first.');
    } else {
      return showNothing(`The mapping failed, and not because of the settings: ${error.message}.`, 'bad');
    }
  }
  const spent = performance.now() - begun;
  say('time', `mapped in ${spent.toFixed(spent < 10 ? 1 : 0)} ms`, 'quiet');
  showResult(result, text, tree);
}

function showNothing(why, look) {
  say('status', why, look);
  at('mapped').hidden = at('told').hidden = true;
  at('copy').disabled = true;
  say('time', '', 'quiet');
  at('marks').replaceChildren();
}

const counted = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

function showResult(result, text, tree) {
  const isMapped = result.issues === undefined;
  const issues = result.issues ?? result.warnings;
  at('mapped').hidden = !isMapped;
  at('told').hidden = issues.length === 0;
  at('copy').disabled = false;
  if (isMapped) {
    copyable = indented(result.body);
    at('body').textContent = copyable;
    at('key').textContent = result.idempotencyKey;
    const beside = issues.length ? `, with ${counted(issues.length, 'warning')}` : '';
    say('status', `Mapped to ${kinds[kind].becomes}${beside}.`, issues.length ? 'open' : 'good');
  } else {
    copyable = issues.map(({ severity, code, expression, diagnostics }) => `${severity} ${code} ${expression}: ${diagnostics}`).join('\n');
    say('status', `Cannot be mapped: ${counted(issues.length, 'issue')}.`, 'bad');
  }
  const placed = issues.map((issue) => ({ issue, where: whereIs(issue, text, tree) }));
  at('issues').replaceChildren(...placed.map(({ issue, where }) => row(issue, where, text)));
  mark(placed, text);
}

function whereIs({ expression, diagnostics }, text, tree) {
  return toldPlace(text, diagnostics) ?? place(text, tree, expression, kinds[kind].root);
}

const lookOf = (severity) => (severity === 'error' || severity === 'fatal' ? 'bad' : 'open');

function row({ severity, code, expression, diagnostics }, where, text) {
  // A long path breaks after its dots.
  const parts = (expression || 'the document').split(/(?<=\.)/).flatMap((part) => [part, element('wbr')]);
  const cell = element('td', {}, element('code', {}, ...parts));
  if (where) {
    const line = lineOf(text, where.start);
    const button = element('button', { type: 'button', textContent: where.isThere ? `line ${line}` : `missing in line ${line}` });
    button.setAttribute('aria-label', `Show ${expression || 'the place'} in the document, line ${line}`);
    button.addEventListener('click', () => showPlace(where));
    cell.append(' ', button);
  }
  const about = kinds[kind].known.find(({ about }) => about === expression);
  if (about) cell.append(' ', element('span', { className: 'quiet', textContent: `(${about.label})` }));
  const kindCell = element('td', {}, element('strong', { className: lookOf(severity), textContent: severity }), ' ');
  kindCell.append(element('span', { className: 'quiet', textContent: code }));
  return element('tr', {}, kindCell, cell, element('td', { textContent: diagnostics }));
}

function showPlace({ start, end }) {
  input.focus();
  input.setSelectionRange(start, end);
  // Browsers scroll to the cursor only when something is typed.
  const lineHeight = parseFloat(getComputedStyle(input).lineHeight);
  input.scrollTop = Math.max(0, (lineOf(input.value, start) - 4) * lineHeight);
  input.scrollLeft = 0;
}

/** Marks the places under the text. Of two that overlap, the first counts. */
function mark(placed, text) {
  const places = placed.filter(({ where }) => where && where.end > where.start);
  places.sort((one, other) => one.where.start - other.where.start);
  const parts = [];
  let done = 0;
  for (const { issue, where } of places) {
    if (where.start < done) continue;
    const marked = element('mark', { className: lookOf(issue.severity), textContent: text.slice(where.start, where.end) });
    parts.push(text.slice(done, where.start), marked);
    done = where.end;
  }
  at('marks').replaceChildren(...parts, text.slice(done), '\n');
  follow();
}

/** The marks go where the text goes. */
function follow() {
  const { scrollLeft, scrollTop } = input;
  Object.assign(at('marks'), { scrollLeft, scrollTop });
}

function setDocument(text, notUtf8 = null) {
  asked += 1;
  input.value = text;
  input.scrollTop = 0;
  bytes = notUtf8;
  map();
}

async function openFile(file) {
  if (!file) return;
  if (file.size > LONGEST_FILE_BYTES) return showNothing('The file is longer than 16 MiB.', 'bad');
  const mine = (asked += 1);
  let content;
  try {
    content = new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    if (mine === asked) showNothing(`The file could not be read: ${error.message}.`, 'bad');
    return;
  }
  if (mine !== asked) return;
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return setDocument(new TextDecoder().decode(content), content);
  }
  setDocument(text);
}

async function takeSample({ kind: of, file, hasSettings, known = {} }) {
  const mine = (asked += 1);
  const files = [`samples/${file}.json`].concat(hasSettings ? [`samples/${file}.settings.json`] : []);
  try {
    const answers = await Promise.all(files.map((name) => fetch(name)));
    if (answers.some(({ ok }) => !ok)) throw new Error('the server does not have it');
    const [text, own] = await Promise.all(answers.map((answer) => answer.text()));
    const owns = own && JSON.stringify({ ...kinds[of].settings, ...JSON.parse(own) }, null, 2);
    if (mine !== asked) return;
    // What somebody has set stays, unless the sample is nothing without its own.
    if (owns || !kept[of].isOwn) keepSettings(owns ?? defaultsOf(of), false, of);
    kept[of].known = { ...known };
    at('kind').value = '';
    showKind(of);
    setDocument(text.trim().includes('\n') ? text : indented(text));
  } catch (error) {
    if (mine === asked) showNothing(`The sample could not be loaded: ${error.message}.`, 'bad');
  }
}

async function copy() {
  let isCopied = false;
  try {
    await navigator.clipboard.writeText(copyable);
    isCopied = true;
  } catch {
    // Not offered to a page that is cut off from its server's other pages, or without TLS: the old way.
    const field = element('textarea', { value: copyable });
    document.body.append(field);
    field.select();
    isCopied = document.execCommand('copy');
    field.remove();
    at('copy').focus();
  }
  say('copied', isCopied ? 'Copied.' : 'This browser does not let the page copy.', 'quiet');
  setTimeout(() => say('copied', '', 'quiet'), 3000);
}

function listen() {
  for (const sample of samples) {
    const button = element('button', { type: 'button', textContent: sample.label });
    button.addEventListener('click', () => takeSample(sample));
    at('samples').append(button);
  }
  input.addEventListener('input', () => { asked += 1; bytes = null; map(); });
  input.addEventListener('scroll', follow);
  settings.addEventListener('input', () => { keepSettings(settings.value, true); map(); });
  at('kind').addEventListener('change', map);
  at('clear').addEventListener('click', () => { setDocument(''); input.focus(); });
  at('defaults').addEventListener('click', () => {
    keepSettings(defaultsOf(kind), false);
    showKind(kind);
    map();
  });
  at('open').addEventListener('click', () => at('file').click());
  at('file').addEventListener('change', () => { openFile(at('file').files[0]); at('file').value = ''; });
  at('copy').addEventListener('click', copy);
  // Anywhere on the page: a file that misses the field must not be opened in the page's place.
  addEventListener('dragover', (event) => { event.preventDefault(); input.classList.add('over'); });
  addEventListener('dragleave', () => input.classList.remove('over'));
  addEventListener('drop', (event) => {
    input.classList.remove('over');
    const file = event.dataTransfer.files[0];
    if (!file) return; // text: the browser puts it where it was dropped
    event.preventDefault();
    openFile(file);
  });
}

listen();
showKind(kind);
try {
  const { load } = await import('./engine.js');
  engine = await load();
  map();
} catch (error) {
  console.error(error);
  say('status', 'The mapping could not be loaded. Was the page built? `cargo xtask build` does it.', 'bad');
}
