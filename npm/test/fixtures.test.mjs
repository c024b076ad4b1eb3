// Every fixture through the doors of JavaScript: Node, and the build for browsers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';

import * as node from '../dist/index.mjs';
import * as web from '../dist/web.mjs';
import { cases, expected, found, maps } from './fixtures.mjs';

const common = createRequire(import.meta.url)('../dist/index.cjs');
await web.init(readFileSync(new URL('../dist/mapping_bg.wasm', import.meta.url)));

for (const [name, door] of Object.entries({ node, common, web })) {
  for (const map of Object.keys(maps)) {
    test(`${name}: every ${map} fixture maps as written, byte for byte`, () => {
      const all = cases(map);
      assert.ok(all.length > 20, `${all.length} cases`);
      for (const one of all) {
        assert.deepEqual(found(door, map, one.bytes, one), expected(one), one.name);
        const text = one.bytes.toString();
        assert.deepEqual(found(door, map, text, one), expected(one), `${one.name}, as text`);
      }
    });
  }
}

test('a parsed document maps as its text does', () => {
  let parsed = 0;
  for (const map of Object.keys(maps)) {
    for (const one of cases(map)) {
      let value;
      try {
        value = JSON.parse(one.bytes.toString());
      } catch {
        continue; // malformed: there is no value to give
      }
      // JSON.parse keeps one of a key that is there twice, and blanks are gone; a number that no float holds becomes null; a text alone
      // would be read as JSON.
      if (/duplicate-key$|malformed-surrogate|too-large-for-a-float$/.test(one.name) || typeof value === 'string') continue;
      assert.deepEqual(found(node, map, value, one), expected(one), one.name);
      parsed += 1;
    }
  }
  assert.ok(parsed > 150, `${parsed} cases`);
});
