import * as core from './mapping.mjs';
import { connect, MappingError, SettingsError } from './face.mjs';

const mapping = connect(core);
let ready = false;

/** Loads the module: mapping_bg.wasm beside this file, unless told otherwise. */
export async function init(module) {
  await core.default(module === undefined ? undefined : { module_or_path: module });
  ready = true;
}

const guarded = (name) => (input, options) => {
  if (!ready) throw new TypeError(`${name}: call it after \`await init()\``);
  return mapping[name](input, options);
};

export const mapClaimResponse = guarded('mapClaimResponse');
export const mapFeedback = guarded('mapFeedback');
export const mapPatient = guarded('mapPatient');
export { MappingError, SettingsError };
