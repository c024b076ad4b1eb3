// The time of one call in Node, for docs/benchmarks.md: `cargo xtask bench npm`.
import { readFileSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { performance } from 'node:perf_hooks';

import { cases, maps } from './test/fixtures.mjs';

const local = (name) => new URL(`./dist/${name}`, import.meta.url);
const before = performance.now();
const mapping = await import(local('index.mjs'));
console.log(`Node ${process.version}, ${process.arch}`);
console.log(`loading the package: ${(performance.now() - before).toFixed(1)} ms`);
const bytes = readFileSync(local('mapping_bg.wasm'));
console.log(`mapping_bg.wasm: ${statSync(local('mapping_bg.wasm')).size} bytes, ${gzipSync(bytes, { level: 9 }).length} with gzip -9`);

/** Median of nine rounds, in microseconds a call. */
function timed(run, calls = 20_000) {
  for (let call = 0; call < calls; call += 1) run(); // warm
  const rounds = Array.from({ length: 9 }, () => {
    const start = performance.now();
    for (let call = 0; call < calls; call += 1) run();
    return ((performance.now() - start) * 1000) / calls;
  });
  return rounds.sort((a, b) => a - b)[4].toFixed(1).padStart(7);
}

const samples = { 'claim-response': 'documented-sample', feedback: 'documented', patient: 'recorded' };
console.log(`\n${'µs a call'.padEnd(15)}     size    bytes     text   object  settings`);
for (const [map, name] of Object.entries(samples)) {
  const one = cases(map).find((one) => one.name === `${map}/${name}`);
  const names = ['contact.json', 'claim-date.json', 'insuree.json', 'locations.json', 'settings.json'];
  const files = Object.fromEntries(names.map((file) => [file, one.json(file)]));
  const call = (input, settings) => {
    const folder = { json: (file) => (file === 'settings.json' ? settings : files[file]) };
    return timed(() => maps[map](mapping, input, folder));
  };
  const needed = map === 'patient' ? files['settings.json'] : undefined; // without a place a patient is an issue
  const given = { 'claim-response': { calendar: 'gregorian' }, feedback: { rating_max: 5 }, patient: needed };
  const columns = [
    String(one.bytes.length).padStart(7),
    call(one.bytes, needed),
    call(one.bytes.toString(), needed),
    call(JSON.parse(one.bytes), needed),
    call(one.bytes, given[map]), // bytes, with settings
  ];
  console.log(map.padEnd(15), columns.join('  '));
}
