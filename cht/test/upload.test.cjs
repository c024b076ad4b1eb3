// The two ways into a CHT: uploaded as it is, and merged into a configuration that exists. cht-conf itself does the work, with an
// archive in the place of a server.
const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { pathToFileURL } = require('node:url');
const vm = require('node:vm');
const { checkTranslations } = require('@medic/translation-checker');
const { isRelevant } = require('./outbound.cjs');
const { ROOT } = require('./world.cjs');

let chtConf;
let folder;
before(async () => {
  ({ chtConf } = await import(pathToFileURL(path.join(ROOT, 'tools/conf.mjs'))));
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cht-upload-'));
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const json = (...file) => JSON.parse(fs.readFileSync(path.join(...file)));

/** What cht-conf would put on a server. */
const upload = project => {
  const archive = path.join(folder, `archive of ${path.basename(project)}`);
  const actions = ['upload-app-settings', 'upload-app-forms', 'upload-custom-translations', 'upload-resources'];
  chtConf(project, '--archive', `--destination=${archive}`, ...actions);
  return Object.fromEntries(fs.readdirSync(archive).map(name => [name.replace('.doc.json', ''), json(archive, name)]));
};

test('cht-conf uploads the configuration as it is', () => {
  // From a copy: cht-conf notes beside a configuration what it has uploaded.
  const project = path.join(folder, 'as it is');
  fs.cpSync(ROOT, project, { recursive: true, filter: source => !source.includes('node_modules') });
  const docs = upload(project);
  assert.deepEqual(Object.keys(docs).sort(), ['form-claims_feedback', 'messages-en', 'messages-fr', 'messages-ne', 'resources', 'settings']);
  const form = docs['form-claims_feedback'];
  assert.equal(form.internalId, 'claims_feedback');
  assert.deepEqual([form.context.person, form.context.place], [false, false], 'no form of a contact\'s page');
  assert.equal(docs['messages-ne'].custom['task.claims_feedback.title'], 'दाबीबारे सोध्नुहोस्');
  assert.deepEqual(docs.resources.resources, { 'icon-openimis-claim': 'icon-openimis-claim.svg' });
  const { settings } = docs;
  assert.deepEqual(settings, json(ROOT, 'app_settings.json'));
  assert.equal(settings.transitions.mark_for_outbound, true);
});

test('the form is opened from its task only', () => {
  const { context } = json(ROOT, 'forms/app/claims_feedback.properties.json');
  const opens = contact => vm.runInNewContext(context.expression, { contact, summary: {}, user: {} });
  assert.equal(opens(undefined), false, 'the list of forms in CHT\'s reports has no contact');
  // CHT 4.3 to 4.5 evaluate it for a task, too, with the task\'s contact.
  assert.equal(opens({ _id: 'sita' }), true);
});

test('the texts of the app are as CHT takes them', async () => {
  const files = await checkTranslations(path.join(ROOT, 'translations'), { checkPlaceholders: true, checkMessageformat: true, checkEmpties: true });
  assert.deepEqual(files, ['messages-en.properties', 'messages-fr.properties', 'messages-ne.properties']);
});

test('roles and fields that only CHT\'s default configuration has texts for have theirs here', () => {
  const en = fs.readFileSync(path.join(ROOT, 'translations/messages-en.properties'), 'utf8');
  const { roles } = json(ROOT, 'app_settings.json');
  const keys = [...Object.values(roles).map(({ name }) => name), 'contact.phone', 'contact.chf_id'];
  assert.deepEqual(keys.filter(key => !en.includes(`\n${key} = `)), []);
});

test('the mediator\'s role has the rights it needs, and no others', () => {
  const { permissions, roles } = json(ROOT, 'app_settings.json');
  assert.equal(roles.openimis_mediator.offline, false);
  const rights = Object.keys(permissions).filter(name => permissions[name].includes('openimis_mediator')).sort();
  assert.deepEqual(rights, ['can_create_people', 'can_create_records', 'can_edit', 'can_view_contacts']);
});

test('the password of the push is not in the settings: they name where CHT keeps it', () => {
  const { destination } = json(ROOT, 'app_settings.json').outbound['openimis-feedback'];
  assert.deepEqual(destination.auth, { type: 'basic', username: 'interop-client', password_key: 'openimis-mediator' });
  assert.equal(destination.path, '/mediator/claims-feedback');
});

/** Somebody's configuration, small but complete. */
const existing = name => {
  const project = path.join(folder, name);
  const write = (file, text) => {
    fs.mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
    fs.writeFileSync(path.join(project, file), text);
  };
  write('.eslintrc', '{}');
  write('app_settings/base_settings.json', JSON.stringify({
    locale: 'en',
    roles: { nurse: { name: 'usertype.nurse', offline: true } },
    permissions: { can_edit: ['nurse'], can_view_reports: ['nurse'] },
    outbound: { elsewhere: { relevant_to: 'false', destination: { base_url: 'https://elsewhere.example.net', path: '/' }, mapping: {} } },
    transitions: { death_reporting: true },
  }));
  write('app_settings/forms.json', '{"F": {"meta": {"code": "F"}, "fields": {}}}');
  write('resources.json', '{"icon-mother": "mother.svg"}');
  write('resources/mother.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  write('translations/messages-en.properties', 'task.own = Own\ntask.claims_feedback.title = Ask about a bill');
  write('tasks.js', 'module.exports = [];\n');
  write('targets.js', 'module.exports = [];\n');
  write('contact-summary.templated.js', 'module.exports = { fields: [], cards: [], context: {} };\n');
  return project;
};

const merge = (project, ...options) =>
  spawnSync(process.execPath, [path.join(ROOT, 'tools/merge.mjs'), project, ...options], { encoding: 'utf8' });

/** The lines that the merge asks for, added. */
const addLines = project => {
  const lists = { 'tasks.js': 'tasks', 'targets.js': 'targets' };
  Object.entries(lists).forEach(([file, name]) =>
    fs.writeFileSync(path.join(project, file), `module.exports = [...require('./openimis/${name}')];\n`));
  fs.writeFileSync(path.join(project, 'contact-summary.templated.js'),
    "module.exports = { fields: [], cards: [...require('./openimis/contact-summary').cards(contact, reports)], context: {} };\n");
};

test('merged into an existing configuration, what was there stays and ours is beside it', () => {
  const project = existing('merged');
  const ran = merge(project, '--asker', 'nurse');
  assert.equal(ran.status, 0, ran.stderr);
  for (const file of ['tasks.js', 'targets.js', 'contact-summary.templated.js', 'base_url']) {
    assert.match(ran.stdout, new RegExp(file.replaceAll('.', '\\.')));
  }
  addLines(project);
  chtConf(project, 'compile-app-settings');
  const docs = upload(project);
  const { settings } = docs;
  assert.deepEqual(Object.keys(settings.roles), ['nurse', 'openimis_mediator']);
  assert.deepEqual(settings.permissions, {
    can_edit: ['nurse', 'openimis_mediator'], can_view_reports: ['nurse'], can_create_records: ['openimis_mediator'],
    can_create_people: ['openimis_mediator'], can_view_contacts: ['openimis_mediator'], can_ask_about_claims: ['nurse'],
  });
  assert.deepEqual(Object.keys(settings.outbound), ['elsewhere', 'openimis-feedback']);
  assert.ok(isRelevant(settings.outbound['openimis-feedback'], { form: 'claims_feedback', fields: { visit: { reached: 'yes' } } }));
  assert.deepEqual(settings.transitions, { death_reporting: true, mark_for_outbound: true });
  assert.deepEqual(Object.keys(settings.forms), ['F', 'OP']);
  assert.match(settings.tasks.rules, /ask-about-claim/);
  assert.deepEqual(settings.tasks.targets.items.map(({ id }) => id), ['claims-feedback-in-time', 'claims-feedback-expired']);
  assert.match(settings.contact_summary, /contact\.claims/);
  assert.ok(docs['form-claims_feedback']);
  assert.equal(docs['messages-en'].custom['task.claims_feedback.title'], 'Ask about a bill', 'their word counts');
  assert.equal(docs['messages-en'].custom['task.own'], 'Own');
  assert.ok(docs['messages-fr'].custom['task.claims_feedback.title']);
  assert.deepEqual(Object.keys(docs.resources.resources), ['icon-mother', 'icon-openimis-claim']);
});

test('a second merge changes nothing', () => {
  const project = existing('twice');
  merge(project, '--asker', 'nurse');
  addLines(project);
  const state = () => execFileSync('find', [project, '-type', 'f', '-exec', 'sha256sum', '{}', '+'], { encoding: 'utf8' }).split('\n').sort();
  const before = state();
  const ran = merge(project);
  assert.equal(ran.status, 0, ran.stderr);
  assert.deepEqual(state(), before);
  assert.doesNotMatch(ran.stdout, /tasks\.js|nobody gets/);
});

test('a form or push of the same name that differs is left and told', () => {
  const project = existing('differs');
  fs.writeFileSync(path.join(project, 'app_settings/forms.json'), '{"OP": {"meta": {"code": "OP"}, "fields": {}}}');
  const ran = merge(project, '--asker', 'nurse');
  assert.match(ran.stdout, /OP is there and differs/);
  assert.deepEqual(json(project, 'app_settings/forms.json').OP.fields, {});
});

test('a form of theirs that has our form\'s name is left whole and told', () => {
  const project = existing('own form');
  const own = path.join(project, 'forms/app/claims_feedback.xml');
  fs.mkdirSync(path.dirname(own), { recursive: true });
  fs.writeFileSync(own, '<their own/>');
  const ran = merge(project, '--asker', 'nurse');
  assert.match(ran.stdout, /claims_feedback\.xml: is there and differs/);
  assert.deepEqual(fs.readdirSync(path.dirname(own)), ['claims_feedback.xml']);
  assert.equal(fs.readFileSync(own, 'utf8'), '<their own/>');
});

test('a later version replaces the files that an earlier one put there, but not those that somebody has changed', () => {
  const project = existing('later');
  merge(project, '--asker', 'nurse');
  const file = name => path.join(project, 'openimis', name);
  // As if an earlier version had put tasks.js there, with other words in it.
  fs.writeFileSync(file('tasks.js'), 'module.exports = []; // of an earlier version');
  const sums = json(file('merged.json'));
  sums['openimis/tasks.js'] = createHash('sha256').update(fs.readFileSync(file('tasks.js'))).digest('hex');
  fs.writeFileSync(file('merged.json'), JSON.stringify(sums));
  fs.appendFileSync(file('claims.js'), '// other days\n');
  for (const run of ['first', 'second']) {
    const ran = merge(project);
    assert.match(ran.stdout, /openimis\/claims\.js: is there and differs/, run);
    assert.doesNotMatch(ran.stdout, /openimis\/tasks\.js: is there/, run);
    assert.deepEqual(fs.readFileSync(file('tasks.js')), fs.readFileSync(path.join(ROOT, 'openimis/tasks.js')), run);
    assert.match(fs.readFileSync(file('claims.js'), 'utf8'), /other days/, run);
  }
});

test('where the push goes is theirs to say; a push that is switched off is told, and stays off', () => {
  const project = existing('pushes');
  merge(project, '--asker', 'nurse');
  const settings = json(project, 'app_settings/base_settings.json');
  settings.outbound['openimis-feedback'].destination.base_url = 'https://openhim.example.net';
  settings.outbound['openimis-feedback'].destination.auth.username = 'cht';
  settings.transitions.mark_for_outbound = false;
  fs.writeFileSync(path.join(project, 'app_settings/base_settings.json'), JSON.stringify(settings));
  const ran = merge(project);
  assert.doesNotMatch(ran.stdout, /openimis-feedback/);
  assert.match(ran.stdout, /mark_for_outbound is there and differs/);
  assert.deepEqual(json(project, 'app_settings/base_settings.json'), settings);
});

test('the Gregorian form is merged where it is wanted', () => {
  const project = existing('gregorian');
  assert.equal(merge(project, '--asker', 'nurse', '--calendar', 'gregorian').status, 0);
  assert.equal(json(project, 'app_settings/forms.json').OP.fields.op_year.type, 'string');
});

test('a role that does not exist is refused, and so is a folder that is no configuration', () => {
  const ran = merge(existing('refused'), '--asker', 'nurze');
  assert.equal(ran.status, 1);
  assert.match(ran.stderr, /nurze: no such role; there are nurse/);
  const empty = path.join(folder, 'empty');
  fs.mkdirSync(empty);
  for (const [project, says] of [[path.join(folder, 'nowhere'), /there is no folder .*nowhere/],
    [empty, /neither app_settings\/base_settings\.json nor app_settings\.json: expected the folder of a cht-conf project/]]) {
    const { status, stderr } = merge(project, '--asker', 'nurse');
    assert.deepEqual([status, says.test(stderr)], [1, true], stderr);
  }
  assert.deepEqual(fs.readdirSync(empty), [], 'nothing is written');
  assert.equal(spawnSync(process.execPath, [path.join(ROOT, 'tools/merge.mjs')]).status, 2);
});

/** The layout of CHT's own config/default: all settings in one file, which cht-conf completes in place. */
const inOneFile = name => {
  const project = existing(name);
  const settings = json(project, 'app_settings/base_settings.json');
  fs.rmSync(path.join(project, 'app_settings'), { recursive: true });
  const compiled = { contact_summary: 'var ContactSummary={};', tasks: { rules: '', targets: { enabled: true, items: [] } } };
  fs.writeFileSync(path.join(project, 'app_settings.json'), `\uFEFF${JSON.stringify({ ...settings, ...compiled })}`);
  return project;
};

test('merged into a configuration in one file, such as CHT\'s config/default', () => {
  const project = inOneFile('one file');
  const ran = merge(project, '--asker', 'nurse');
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stdout, /app_settings\.json: set outbound/);
  assert.ok(!fs.existsSync(path.join(project, 'app_settings')), 'cht-conf would read nothing else any more');
  addLines(project);
  chtConf(project, 'compile-app-settings');
  const { settings, ...docs } = upload(project);
  assert.deepEqual(Object.keys(settings.roles), ['nurse', 'openimis_mediator']);
  assert.deepEqual(settings.permissions.can_edit, ['nurse', 'openimis_mediator']);
  assert.deepEqual(Object.keys(settings.outbound), ['elsewhere', 'openimis-feedback']);
  assert.deepEqual(Object.keys(settings.forms), ['OP']);
  assert.equal(settings.transitions.mark_for_outbound, true);
  assert.match(settings.tasks.rules, /ask-about-claim/);
  assert.ok(docs['form-claims_feedback']);
  const before = fs.readFileSync(path.join(project, 'app_settings.json'), 'utf8');
  const again = merge(project);
  assert.equal(again.status, 0, again.stderr);
  assert.equal(fs.readFileSync(path.join(project, 'app_settings.json'), 'utf8'), before, 'a second merge changes nothing');
});

test('settings that are no JSON are told by their file, and stay', () => {
  const project = inOneFile('broken');
  fs.writeFileSync(path.join(project, 'app_settings.json'), '{"roles": ');
  const { status, stderr } = merge(project, '--asker', 'nurse');
  assert.equal(status, 1);
  assert.match(stderr, /app_settings\.json is no JSON/);
  assert.equal(fs.readFileSync(path.join(project, 'app_settings.json'), 'utf8'), '{"roles": ');
});
