// The package as others get it: what is in it, and that it works where nothing else is, without a network.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'mapping-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const run = (program, args, cwd = folder) => execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];

const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder, ...quiet], dist));
writeFileSync(path.join(folder, 'package.json'), '{"private": true}');
// --offline: nothing is asked of a registry.
run('npm', ['install', '--offline', ...quiet, path.join(folder, packed.filename)]);

test('the package holds what it needs and nothing else', () => {
  assert.deepEqual(packed.files.map((file) => file.path).sort(), [
    'LICENSE',
    'README.md',
    'face.cjs',
    'face.mjs',
    'index.cjs',
    'index.d.cts',
    'index.d.mts',
    'index.mjs',
    'mapping.cjs',
    'mapping.mjs',
    'mapping_bg.wasm',
    'memory.cjs',
    'memory.mjs',
    'package.json',
    'web.d.mts',
    'web.mjs',
  ]);
  // 18 kB more than before the dialling plans of all countries and the words for other encodings came in.
  assert.ok(packed.size < 160_000, `${packed.size} bytes packed`);
  const manifest = JSON.parse(readFileSync(path.join(dist, 'package.json'), 'utf8'));
  assert.match(manifest.version, /^[1-9]\d*\.\d+\.\d+$|^0\.[1-9]\d*\.\d+$/);
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.scripts, undefined);
});

test('nothing in it tells where it was built', () => {
  const repository = fileURLToPath(new URL('../..', import.meta.url));
  for (const { path: name } of packed.files) {
    const bytes = readFileSync(path.join(dist, name));
    for (const place of [repository, '/root/', '/home/', '/Users/']) {
      assert.ok(!bytes.includes(place), `${name} has ${place} in it`);
    }
  }
});

test('require and import give the same classes', () => {
  const script = `
    const common = require('openimis-mediator-mapping');
    import('openimis-mediator-mapping').then((module) => {
      const same = Object.keys(common).every((name) => module[name] === common[name]);
      console.log(JSON.stringify([Object.keys(common).sort(), same]));
    });`;
  const names = ['Mapper', 'MappingError', 'SettingsError', 'mapClaimResponse', 'mapFeedback', 'mapPatient'];
  assert.deepEqual(JSON.parse(run(process.execPath, ['-e', script])), [names, true]);
});

test('the example of the README prints what the README says', () => {
  const [example, printed, browser] = [...readFileSync(path.join(dist, 'README.md'), 'utf8').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  writeFileSync(path.join(folder, 'example.cjs'), example);
  assert.equal(run(process.execPath, ['example.cjs']), printed);
  writeFileSync(path.join(folder, 'example.mjs'), example.replace(/^const (.*) = require\((.*)\);.*/, 'import $1 from $2;'));
  assert.equal(run(process.execPath, ['example.mjs']), printed);
  // Node's fetch reads no files: the module is given to it.
  const bytes = "(await import('node:fs')).readFileSync('node_modules/openimis-mediator-mapping/mapping_bg.wasm')";
  const web = browser.replace('init()', `init(${bytes})`);
  writeFileSync(path.join(folder, 'web.mjs'), `${web}\nconsole.log(typeof mapClaimResponse);`);
  assert.equal(run(process.execPath, ['web.mjs']), 'function\n');
});
