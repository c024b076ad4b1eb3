// Puts this configuration into an existing one: node tools/merge.mjs <project> [--asker <role>]... [--calendar gregorian]
// What the project has stays; what is there under our names and differs is told, not replaced. Doing it twice changes nothing.
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { ROOT } from './conf.mjs';

const FORM_FILES = ['xlsx', 'xml', 'properties.json'].map(end => `forms/app/claims_feedback.${end}`);
const LANGUAGES = ['en', 'fr', 'ne'];
/** The sums of the files that were put there: a later merge replaces those that nobody has changed since. */
const PUT = 'openimis/merged.json';
/** Lines that a person adds: these files are programs. */
const LINES = {
  'tasks.js': ["./openimis/tasks", "...require('./openimis/tasks'),  // an element of the exported list"],
  'targets.js': ["./openimis/targets", "...require('./openimis/targets'),  // an element of the exported list"],
  'contact-summary.templated.js': ["./openimis/contact-summary",
    "...require('./openimis/contact-summary').cards(contact, reports),  // an element of the exported cards"],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { asker: { type: 'string', multiple: true }, calendar: { type: 'string', default: 'bikram-sambat' } },
});
const [project] = positionals;
if (!project || !['bikram-sambat', 'gregorian'].includes(values.calendar)) {
  console.error('Usage: node tools/merge.mjs <folder of a cht-conf project> [--asker <role>]... [--calendar gregorian]');
  process.exit(2);
}
/** cht-conf takes the settings from the first of these that is there. CHT's own config/default has the second one only. */
const [BASE, WHOLE] = ['app_settings/base_settings.json', 'app_settings.json'];
const told = [];
const ours = file => path.join(ROOT, file);
const theirs = file => path.join(project, file);

function json(file, none) {
  if (!existsSync(file)) {
    return none;
  }
  try {
    return JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Error(`${file} is no JSON: ${error.message}`);
  }
}

/** Writes JSON if it is new: a file that stays as it was keeps its layout. */
function save(file, value) {
  if (!isDeepStrictEqual(json(theirs(file)), value)) {
    mkdirSync(path.dirname(theirs(file)), { recursive: true });
    writeFileSync(theirs(file), `${JSON.stringify(value, null, 2)}\n`);
  }
}

/** Adds an entry; one that is there and differs stays. */
function add(target, name, value, where) {
  if (target[name] === undefined) {
    target[name] = value;
  } else if (!isDeepStrictEqual(target[name], value)) {
    told.push(`${where}: ${name} is there and differs; it was left. Compare it with cht/${where}`);
  }
}

const sum = file => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Copies files that belong together: all of them, or none if somebody else's, or a changed one, would be lost. */
function put(files, before, after) {
  const isTheirs = file => existsSync(theirs(file)) && ![sum(ours(file)), before[file]].includes(sum(theirs(file)));
  const left = files.filter(isTheirs);
  left.forEach(file => told.push(`${file}: is there and differs; it was left. Compare it with cht/${file}`));
  for (const file of files) {
    if (!left.length) {
      mkdirSync(path.dirname(theirs(file)), { recursive: true });
      cpSync(ours(file), theirs(file));
      after[file] = sum(ours(file));
    } else if (before[file]) {
      after[file] = before[file];
    }
  }
}

function mergeFiles() {
  const [before, after] = [json(theirs(PUT), {}), {}];
  put(FORM_FILES, before, after);
  readdirSync(ours('openimis')).forEach(name => put([`openimis/${name}`], before, after));
  put(['resources/icon-openimis-claim.svg'], before, after);
  save(PUT, after);
  const resources = json(theirs('resources.json'), {});
  Object.entries(json(ours('resources.json'))).forEach(([name, file]) => add(resources, name, file, 'resources.json'));
  save('resources.json', resources);
}

/** Where the project keeps its settings. */
function settingsFile() {
  if (!existsSync(project)) {
    throw new Error(`there is no folder ${project}`);
  }
  const file = [BASE, WHOLE].find(file => existsSync(theirs(file)));
  if (!file) {
    throw new Error(`${project} has neither ${BASE} nor ${WHOLE}: expected the folder of a cht-conf project, such as config/default of cht-core`);
  }
  return file;
}

function mergeSettings() {
  const file = settingsFile();
  const [source, target] = [json(ours(BASE)), json(theirs(file))];
  const role = 'openimis_mediator';
  add(target.roles ??= {}, role, source.roles[role], BASE);
  const permissions = target.permissions ??= {};
  const grant = (permission, to) => {
    permissions[permission] = [...new Set([...(permissions[permission] ?? []), ...to])];
  };
  Object.keys(source.permissions).filter(name => source.permissions[name].includes(role)).forEach(name => grant(name, [role]));
  const askers = values.asker ?? permissions.can_ask_about_claims ?? [];
  const unknown = askers.filter(asker => !target.roles[asker]);
  if (unknown.length) {
    throw new Error(`--asker ${unknown}: no such role; there are ${Object.keys(target.roles).join(', ')}`);
  }
  grant('can_ask_about_claims', askers);
  if (!askers.length) {
    told.push('nobody gets the tasks yet: give --asker with the role of your health workers');
  }
  const push = source.outbound['openimis-feedback'];
  const { base_url, auth } = target.outbound?.['openimis-feedback']?.destination ?? {};
  // Where the push goes, and as whom, is for each deployment to say.
  Object.assign(push.destination, base_url && { base_url });
  Object.assign(push.destination.auth, auth?.username && { username: auth.username });
  add(target.outbound ??= {}, 'openimis-feedback', push, BASE);
  add(target.transitions ??= {}, 'mark_for_outbound', true, BASE);
  save(file, target);
  if (push.destination.base_url.includes('mediator.example.org')) {
    told.push(`${file}: set outbound.openimis-feedback.destination.base_url to your mediator or OpenHIM`);
  }
}

function mergeForms() {
  const file = 'app_settings/forms.json';
  const source = values.calendar === 'gregorian' ? 'gregorian/forms.json' : file;
  const { OP } = json(ours(source));
  if (settingsFile() === WHOLE) {
    // cht-conf reads no other file then.
    const settings = json(theirs(WHOLE));
    add(settings.forms ??= {}, 'OP', OP, source);
    save(WHOLE, settings);
  } else {
    const forms = json(theirs(file), {});
    add(forms, 'OP', OP, source);
    save(file, forms);
  }
}

function mergeTranslations() {
  for (const language of LANGUAGES) {
    const file = `translations/messages-${language}.properties`;
    const text = existsSync(theirs(file)) ? readFileSync(theirs(file), 'utf8') : '';
    const key = line => line.split(/[=:]/)[0].trim();
    const known = new Set(text.split('\n').map(key));
    const missing = readFileSync(ours(file), 'utf8').split('\n').filter(line => line && !known.has(key(line)));
    if (missing.length) {
      mkdirSync(path.dirname(theirs(file)), { recursive: true });
      appendFileSync(theirs(file), `${text && !text.endsWith('\n') ? '\n' : ''}${missing.join('\n')}\n`);
    }
  }
}

try {
  mergeSettings();
  mergeForms();
  mergeFiles();
  mergeTranslations();
  for (const [file, [sign, line]] of Object.entries(LINES)) {
    if (!existsSync(theirs(file)) || !readFileSync(theirs(file), 'utf8').includes(sign)) {
      told.push(`${file}: add\n    ${line}`);
    }
  }
  console.log(told.length ? `Merged. What is left to you:\n${told.map(line => `- ${line}`).join('\n')}` : 'Merged. Nothing is left to do.');
} catch (error) {
  console.error(`merge: ${error.message}`);
  process.exitCode = 1;
}
