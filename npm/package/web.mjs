import * as core from './mapping.mjs';
import { connect, MappingError, SettingsError } from './face.mjs';
import { exchange } from './memory.mjs';

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
const platform = {
  view: (memory) => new Uint8Array(memory),
  write: (memory, text, at) => encoder.encodeInto(text, memory.subarray(at)).written,
  read: (memory, start, end) => decoder.decode(memory.subarray(start, end)),
};
const mapping = connect(core, exchange(core, platform));
let ready = false;

/** Loads the module: mapping_bg.wasm beside this file, unless told otherwise. */
export async function init(module) {
  await core.default(module === undefined ? undefined : { module_or_path: module });
  ready = true;
}

function loaded(name) {
  if (!ready) throw new TypeError(`${name}: call it after \`await init()\``);
}

const guarded = (name) => (input, options) => {
  loaded(name);
  return mapping[name](input, options);
};

export const mapClaimResponse = guarded('mapClaimResponse');
export const mapFeedback = guarded('mapFeedback');
export const mapPatient = guarded('mapPatient');
export class Mapper extends mapping.Mapper {
  constructor(settings) {
    loaded('Mapper');
    super(settings);
  }
}
export { MappingError, SettingsError };
