export * from './index.mjs';

/**
 * Loads the module; to be awaited before the first mapping. Calling it again does no harm.
 * @param module where `mapping_bg.wasm` is, or what is in it, if it does not stand beside this file
 */
export function init(
  module?: string | URL | Request | Response | Promise<Response> | BufferSource | WebAssembly.Module,
): Promise<void>;
