// Makes a component of mapping.js: `node build.mjs <folder of the WIT files> <file to write>`.
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [wit = '../../wit/mapping', output = 'mapping-js.wasm'] = process.argv.slice(2);
const { component, imports } = await componentize({
  sourcePath: new URL('mapping.js', import.meta.url).pathname,
  witPath: wit,
  worldName: 'map-feedback-component',
  // A mapping has no clock, no random numbers, no network and no output: it imports nothing.
  disableFeatures: ['clocks', 'random', 'stdio', 'http', 'fetch-event'],
});
if (imports.length > 0) {
  throw new Error(`a mapping imports nothing, this one ${JSON.stringify(imports)}`);
}
await writeFile(output, component);
console.log(`${output}: ${component.length} bytes, imports nothing`);
