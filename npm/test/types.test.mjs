// The types say what the package does: a usage file compiles, and its wrong lines do not.
import { appendFileSync, existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const local = (name) => fileURLToPath(new URL(name, import.meta.url));
const compiler = local('../node_modules/typescript/bin/tsc');
const missing = !existsSync(compiler) && 'TypeScript is not installed: npm ci in npm/';
if (missing && process.env.MEDIATOR_SKIPPED) appendFileSync(process.env.MEDIATOR_SKIPPED, `npm/test/types.test.mjs: ${missing}\n`);

test('the usage file compiles as it is written', { skip: missing }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '--project', local('types/tsconfig.json')], { encoding: 'utf8' });
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(status, 0);
});
