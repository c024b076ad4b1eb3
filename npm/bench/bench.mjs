// The time of a call in Node, beside plain JavaScript: `cargo xtask bench npm`. With MEDIATOR_BENCH_OUT (a folder) also as npm.json,
// a JSON object a line, for the table in docs/benchmarks.md. `--quick`: shorter rounds.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { gzipSync } from 'node:zlib';

import { one } from '../test/cases.mjs';
import * as plain from './plain.mjs';

const GROUP = 'A call in Node';
const quick = process.argv.includes('--quick');
const [ROUNDS, ROUND_MS] = quick ? [7, 20] : [15, 100];

const local = (name) => new URL(`../dist/${name}`, import.meta.url);
const document = (name) => one(name).bytes;
const before = performance.now();
const { mapClaimResponse, mapFeedback, Mapper } = await import(local('index.mjs'));
const loaded = performance.now() - before;

let kept; // so that no call is optimised away

/** Median of the rounds, in microseconds a call. */
function timed(run) {
  const round = (calls) => {
    const start = performance.now();
    for (let call = 0; call < calls; call += 1) kept = run();
    return performance.now() - start;
  };
  let calls = 1;
  while (round(calls) < ROUND_MS) calls *= 2; // warms up, too
  const rounds = Array.from({ length: ROUNDS }, () => (round(calls) * 1000) / calls);
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1];
}

const rows = [];
function row(name, value, more = {}) {
  rows.push({ group: GROUP, name, value: Math.round(value * 100) / 100, unit: 'µs', ...more });
  console.log(`${name.padEnd(64)} ${value.toFixed(2).padStart(9)} µs`);
}

/** The documented ClaimResponse with so many items, as openIMIS writes it: on one line. */
function claim(items) {
  const resource = JSON.parse(document('claim-response/documented-sample'));
  resource.item = Array.from({ length: items }, (_, index) => ({ ...resource.item[0], itemSequence: index + 1 }));
  return Buffer.from(JSON.stringify(resource));
}

console.log(`Node ${process.version}, ${process.arch}; loading the package took ${loaded.toFixed(1)} ms`);
const place = 'a-place';
const mapper = new Mapper({ patient: { default_place: place } });
const documents = [
  ['ClaimResponse, as documented', document('claim-response/documented-sample'), mapClaimResponse, plain.claimResponse, 6],
  ['ClaimResponse, 1 item', claim(1), mapClaimResponse, plain.claimResponse],
  ['ClaimResponse, 50 items', claim(50), mapClaimResponse, plain.claimResponse],
  ['ClaimResponse, 1,000 items', claim(1000), mapClaimResponse, plain.claimResponse],
  ['Feedback', document('feedback/documented'), mapFeedback, plain.feedback, 6],
  ['Patient', document('patient/recorded'), mapper.mapPatient, (bytes) => plain.patient(bytes, place), 6],
];
for (const [what, bytes, map, byHand, goal] of documents) {
  assert.equal(map(bytes).body, byHand(bytes), `${what}: both must write the same`);
  const beside = `${what}: plain JavaScript`;
  const size = bytes.length < 10_000 ? `${bytes.length} bytes` : `${Math.round(bytes.length / 1000)} kB`;
  row(`${what}: from Buffer to result`, timed(() => map(bytes)), { ...(goal && { goal, better: 'lower' }), beside, note: size });
  row(beside, timed(() => byHand(bytes)), { note: 'JSON.parse, the same fields, JSON.stringify' });
}

const [one, text, object] = [claim(1), claim(1).toString(), JSON.parse(claim(1))];
const settings = { calendar: 'gregorian', utc_offset_minutes: 345 };
const set = new Mapper({ claimResponse: settings });
row('ClaimResponse, 1 item: the result parsed and the warnings read, too', timed(() => [(kept = mapClaimResponse(one)).value, kept.warnings]));
row('ClaimResponse, 1 item: from a string', timed(() => mapClaimResponse(text)));
row('ClaimResponse, 1 item: from a parsed object', timed(() => mapClaimResponse(object)));
row('ClaimResponse, 1 item: settings with each call', timed(() => mapClaimResponse(one, { settings })));
row('ClaimResponse, 1 item: the same settings in a Mapper', timed(() => set.mapClaimResponse(one)));
const module = readFileSync(local('mapping_bg.wasm'));
for (const [name, bytes] of [['mapping_bg.wasm', module.length], ['mapping_bg.wasm, gzip -9', gzipSync(module, { level: 9 }).length]]) {
  rows.push({ group: GROUP, name, value: Math.ceil(bytes / 1000), unit: 'kB' });
  console.log(`${name}: ${bytes} bytes`);
}

const out = process.env.MEDIATOR_BENCH_OUT;
if (out) writeFileSync(path.join(out, 'npm.json'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
