// Writes forms/app/<form>.xlsx from forms-source/<form>.yaml and lets cht-conf convert it to XML. With --check nothing is
// changed: it says whether the committed files are what the source gives.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import writeExcelFile from 'write-excel-file/node';
import { parse } from 'yaml';
import { ROOT, chtConf } from './conf.mjs';

const SOURCE = path.join(ROOT, 'forms-source');
const FORMS = path.join(ROOT, 'forms/app');
const LANGUAGES = ['en', 'fr', 'ne'];
const TRANSLATED = ['label', 'hint', 'constraint_message', 'required_message'];
const COLUMNS = ['type', 'name', ...translatedColumns('label'), 'relevant', 'required', ...translatedColumns('required_message'),
  'appearance', 'calculation', 'default', 'constraint', ...translatedColumns('constraint_message'), ...translatedColumns('hint')];

function translatedColumns(name) {
  return LANGUAGES.map(language => `${name}::${language}`);
}

/** A row with one column a language for what is translated. A typo in the source must not become a lost column. */
function flat(row, columns) {
  const result = {};
  for (const [name, value] of Object.entries(row)) {
    if (TRANSLATED.includes(name)) {
      LANGUAGES.forEach(language => { result[`${name}::${language}`] = value[language]; });
      const missing = LANGUAGES.filter(language => !value[language]);
      if (missing.length) throw new Error(`${row.name}: ${name} is not translated to ${missing}`);
    } else {
      result[name] = String(value);
    }
  }
  const unknown = Object.keys(result).filter(name => !columns.includes(name));
  if (unknown.length) throw new Error(`${row.name}: unknown columns ${unknown}`);
  return columns.map(name => result[name] ?? '');
}

function sheet(name, columns, rows) {
  const cell = value => (value === '' ? null : { value, type: String });
  const header = columns.map(value => ({ value, type: String, fontWeight: 'bold' }));
  const widths = columns.map(column => ({ width: column.includes('::') || column === 'relevant' ? 40 : 20 }));
  return { sheet: name, columns: widths, data: [header, ...rows.map(row => flat(row, columns).map(cell))] };
}

/** The workbook; equal bytes for equal sources. */
async function workbook(form) {
  const choices = Object.entries(form.choices).flatMap(([list_name, rows]) => rows.map(row => ({ list_name, ...row })));
  const file = await writeExcelFile([
    sheet('survey', COLUMNS, form.survey),
    sheet('choices', ['list_name', 'name', ...translatedColumns('label')], choices),
    sheet('settings', Object.keys(form.settings), [form.settings]),
  ]).toBuffer();
  // A zip file tells when it was written: always the same here.
  return zipSync(unzipSync(file), { level: 9, mtime: new Date(1980, 0, 1) });
}

/** Both files of every form, written into a folder of the shape that cht-conf expects. */
async function build(project) {
  const forms = path.join(project, 'forms/app');
  mkdirSync(forms, { recursive: true });
  const names = readdirSync(SOURCE).map(file => path.basename(file, '.yaml'));
  for (const name of names) {
    const form = parse(readFileSync(path.join(SOURCE, `${name}.yaml`), 'utf8'));
    writeFileSync(path.join(forms, `${name}.xlsx`), await workbook(form));
    cpSync(path.join(FORMS, `${name}.properties.json`), path.join(forms, `${name}.properties.json`));
  }
  chtConf(project, 'convert-app-forms');
  return names.flatMap(name => [`${name}.xlsx`, `${name}.xml`]);
}

const project = mkdtempSync(path.join(tmpdir(), 'cht-forms-'));
try {
  const files = await build(project);
  const made = file => readFileSync(path.join(project, 'forms/app', file));
  if (process.argv.includes('--check')) {
    const differ = files.filter(file => !made(file).equals(readFileSync(path.join(FORMS, file))));
    if (differ.length) throw new Error(`${differ.join(', ')}: not what forms-source/ gives; run \`npm run forms\``);
  } else {
    files.forEach(file => writeFileSync(path.join(FORMS, file), made(file)));
  }
} finally {
  rmSync(project, { recursive: true });
}
