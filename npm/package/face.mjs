// What a caller sees: checks arguments, turns the module's JSON into values and errors.
// npm-build makes face.cjs of it, so that Node has one copy of every class, however it is loaded.

const encoder = new TextEncoder();
const LONE_SURROGATE = /[\ud800-\udfff]/u; // `u`: pairs are one character and do not match

/** One line, as the mediator's logs and fixtures show it. */
const line = ({ severity, code, expression, diagnostics }) =>
  `${severity} ${code}${expression ? ` ${expression}` : ''}: ${diagnostics}`;

class MappingError extends Error {
  #outcome;

  constructor(issues, outcome) {
    super(issues.map(line).join('\n'));
    this.issues = issues;
    this.#outcome = outcome;
  }

  operationOutcome() {
    return JSON.parse(this.#outcome(JSON.stringify(this.issues)));
  }
}

class SettingsError extends TypeError {
  constructor(problems) {
    super(problems.map(({ setting, problem }) => `settings${setting && `.${setting}`}: ${problem}`).join('\n'));
    this.problems = problems;
  }
}

// On the prototype, so that the names also survive a minifier.
for (const [type, name] of [[MappingError, 'MappingError'], [SettingsError, 'SettingsError']]) {
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true });
}

class Mapped {
  #value;

  constructor({ body, idempotencyKey, warnings }) {
    this.body = body;
    this.idempotencyKey = idempotencyKey;
    this.warnings = warnings;
  }

  get value() {
    return (this.#value ??= JSON.parse(this.body));
  }
}

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1); // also of another realm, as in Jest or a frame

const described = (value) => (value === null ? 'null' : typeof value === 'object' ? tag(value) : typeof value);

function wrong(name, expected, found) {
  return new TypeError(`${name}: expected ${expected}; found ${described(found)}`);
}

/** The input as bytes of UTF-8 text, or the issue that it cannot be. */
function bytes(input) {
  switch (tag(input)) {
    case 'Uint8Array':
      return input;
    case 'ArrayBuffer':
      return new Uint8Array(input);
    case 'Object':
    case 'Array':
    case 'Null':
    case 'Boolean':
    case 'Number':
      break;
    case 'String':
      if (typeof input === 'string') return encoder.encode(input);
      break;
    default:
      throw wrong('input', 'a Uint8Array, a string of JSON, or an object', input);
  }
  if (typeof input?.then === 'function') throw wrong('input', 'a value (is an await missing?)', input);
  return encoder.encode(JSON.stringify(input)); // a lone surrogate becomes an escape, which the mapping refuses
}

/** A string that is no Unicode text; told as bytes that are no UTF-8 are, instead of sending a replacement character. */
function surrogate(input) {
  const at = typeof input === 'string' ? input.search(LONE_SURROGATE) : -1;
  if (at < 0) return undefined;
  const diagnostics = `not UTF-8 text (byte ${encoder.encode(input.slice(0, at)).length})`;
  return [{ severity: 'fatal', code: 'structure', expression: '', diagnostics }];
}

/** The options, all of them known; a typing error must not become a default. */
function only(options, names) {
  if (options === undefined || options === null) return {};
  if (tag(options) !== 'Object') throw wrong('options', 'an object', options);
  const unknown = Object.keys(options).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new TypeError(`options: ${unknown.join(', ')} unknown; expected ${names.join(', ')}`);
  return options;
}

function text(name, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw wrong(name, 'a text', value);
  return value;
}

function contactId(contact) {
  if (contact === undefined || contact === null) return undefined;
  const keys = tag(contact) === 'Object' ? Object.keys(contact) : [];
  if (keys.length !== 1 || typeof contact.contact_id !== 'string') {
    throw new TypeError('contact: expected { contact_id } with a text');
  }
  return contact.contact_id;
}

function codes(list) {
  const given = list ?? [];
  if (!Array.isArray(given) || given.some((code) => typeof code !== 'string')) {
    throw wrong('locationCodes', 'a list of texts', list);
  }
  return JSON.stringify(given);
}

function settingsText(settings) {
  if (settings === undefined) return '';
  if (tag(settings) !== 'Object') {
    throw new SettingsError([{ setting: '', problem: `expected an object; found ${described(settings)}` }]);
  }
  // JSON.stringify would leave a function out, and a default would take its place.
  return JSON.stringify(settings, (setting, value) => {
    if (typeof value === 'function' || typeof value === 'symbol') {
      throw new SettingsError([{ setting, problem: `expected a text, a number or a list; found a ${typeof value}` }]);
    }
    return value;
  });
}

/** The three functions over a module of wasm-bindgen. */
function connect(core) {
  /** After a trap (an input of gigabytes) what is left of the instance is not used any more. */
  const whole = (map, given, settings) => {
    try {
      return JSON.parse(map(given, settings));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) core.__wbg_reset_state();
      throw error;
    }
  };
  const run = (input, settings, map) => {
    const given = bytes(input);
    const answer = whole(map, given, settingsText(settings));
    if (answer.settings) throw new SettingsError(answer.settings);
    const issues = surrogate(input) ?? answer.issues;
    if (issues) throw new MappingError(issues, core.operationOutcome);
    return new Mapped(answer.mapped);
  };
  return {
    mapClaimResponse(input, options) {
      const { settings, contact, claimDate } = only(options, ['settings', 'contact', 'claimDate']);
      const [id, date] = [contactId(contact), text('claimDate', claimDate)];
      return run(input, settings, (given, checked) => core.mapClaimResponse(given, checked, id, date));
    },
    mapFeedback(input, options) {
      const { settings, insureeUuid } = only(options, ['settings', 'insureeUuid']);
      const uuid = text('insureeUuid', insureeUuid);
      return run(input, settings, (given, checked) => core.mapFeedback(given, checked, uuid));
    },
    mapPatient(input, options) {
      const { settings, locationCodes } = only(options, ['settings', 'locationCodes']);
      const list = codes(locationCodes);
      return run(input, settings, (given, checked) => core.mapPatient(given, checked, list));
    },
  };
}

export { connect, MappingError, SettingsError };
