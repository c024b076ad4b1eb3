// What must not happen: long messages, a module that grows, an instance that is broken by what came in.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import * as node from '../dist/index.mjs';
import * as core from '../dist/mapping.mjs';
import * as mapping from '../dist/web.mjs';
import { cases, expected, found, maps } from './fixtures.mjs';

const said = (call) => {
  try {
    return call();
  } catch (error) {
    return error;
  }
};
const early = said(() => mapping.mapFeedback('{}'));
const tooEarly = said(() => new mapping.Mapper());
await mapping.init(readFileSync(new URL('../dist/mapping_bg.wasm', import.meta.url)));

const every = Object.keys(maps).flatMap((map) => cases(map).map((one) => [map, one]));

test('a call before init says what is missing', () => {
  assert.equal(tooEarly.message, 'Mapper: call it after `await init()`');
  assert.ok(early instanceof TypeError);
  assert.equal(early.message, 'mapFeedback: call it after `await init()`');
});

test('init without an argument fetches the module from beside its file', () => {
  // Node's fetch reads no files: a stand-in tells what it was asked for.
  const script = `
    import { readFileSync } from 'node:fs';
    const dist = new URL(process.argv[1]);
    globalThis.fetch = async (url) => {
      console.log(url.href === new URL('mapping_bg.wasm', dist).href);
      return new Response(readFileSync(url), { headers: { 'content-type': 'application/wasm' } });
    };
    const { init, mapFeedback } = await import(new URL('web.mjs', dist));
    await Promise.all([init(), init()]);
    try { mapFeedback('{}'); } catch (error) { console.log(error.name); }`;
  const dist = new URL('../dist/', import.meta.url).href;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script, dist], { encoding: 'utf8' });
  assert.equal(printed, 'true\nMappingError\n');
});

test('a second init does no harm', async () => {
  const { memory } = core.initSync();
  await mapping.init();
  assert.equal(core.initSync().memory, memory);
});

test('a megabyte of nonsense is told in a few words, and the next document maps', () => {
  const nonsense = 'निरर्थक '.repeat(1 << 16);
  const quoted = JSON.stringify(nonsense);
  const documents = [
    nonsense,
    quoted,
    '['.repeat(1 << 20),
    '{"doc":'.repeat(1 << 18),
    `{"resourceType": "ClaimResponse", "id": ${quoted}, "created": ${quoted}, "patient": {"reference": ${quoted}}}`,
    `{"resourceType": "Patient", "id": ${quoted}, "gender": ${quoted}, "telecom": [{"value": ${quoted}}]}`,
    `{"care_rendered": ${quoted}, "claimuuid": ${quoted}, "doc._id": ${quoted}}`,
    Buffer.alloc(1 << 20, 0xff),
    Buffer.alloc(1 << 20),
  ];
  for (const document of documents) {
    for (const map of [mapping.mapClaimResponse, mapping.mapFeedback, mapping.mapPatient]) {
      assert.throws(() => map(document), (error) => {
        assert.ok(error instanceof mapping.MappingError, error.stack);
        assert.ok(error.issues.length > 0 && error.message.length < 2500, `${error.message.length}`);
        assert.match(error.message, /^[\x00-\x7f]*$/);
        return true;
      });
    }
  }
  const [map, one] = every.find(([, { name }]) => name.endsWith('/documented-sample'));
  assert.deepEqual(found(mapping, map, one.bytes, one), expected(one));
});

test('an input of gigabytes ends its call and harms no other', () => {
  const [map, one] = every.find(([, { name }]) => name.endsWith('/documented-sample'));
  for (const door of [mapping, node]) {
    // Nothing is copied: there is no memory for it in the module.
    assert.throws(() => door.mapFeedback(new Uint8Array(2 ** 31 + 1)), WebAssembly.RuntimeError);
    assert.deepEqual(found(door, map, one.bytes, one), expected(one));
  }
});

test('a Mapper outlives an instance that was broken', () => {
  const document = '{"_id": "a"}';
  for (const door of [mapping, node]) {
    const mapper = new door.Mapper({ claimResponse: { form: 'A' } });
    assert.throws(() => mapper.mapFeedback(new Uint8Array(2 ** 31 + 1)), WebAssembly.RuntimeError);
    const [, one] = every.find(([, { name }]) => name === 'claim-response/documented-sample');
    assert.equal(mapper.mapClaimResponse(one.bytes).value._meta.form, 'A');
    assert.throws(() => mapper.mapFeedback(document), door.MappingError);
  }
});

test('a document of megabytes gives its memory back for the next one', () => {
  const padded = JSON.stringify({ resourceType: 'ClaimResponse', padding: 'x'.repeat(30 << 20) });
  const grown = [1, 2, 3, 4].map(() => {
    assert.throws(() => mapping.mapClaimResponse(padded), mapping.MappingError);
    return core.initSync().memory.buffer.byteLength;
  });
  assert.equal(grown[1], grown[3]);
});

test('memory does not grow over 20,000 calls', () => {
  const inputs = every.map(([map, one]) => [map, one.bytes, { json: ((files) => (name) => files[name])(read(one)) }]);
  const run = (calls) => {
    for (let call = 0; call < calls; call += 1) {
      const [map, input, one] = inputs[call % inputs.length];
      found(mapping, map, input, one);
    }
  };
  run(inputs.length * 2);
  const { memory } = core.initSync(); // what is there already
  const before = memory.buffer.byteLength;
  run(20_000);
  assert.equal(memory.buffer.byteLength, before);
});

function read({ json }) {
  const names = ['settings.json', 'contact.json', 'claim-date.json', 'insuree.json', 'locations.json'];
  return Object.fromEntries(names.map((name) => [name, json(name)]));
}
