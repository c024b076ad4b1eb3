// What a caller sees: checks arguments, turns answers into values and errors.
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
  #warnings;
  #value;

  constructor(body, idempotencyKey, warnings) {
    this.body = body;
    this.idempotencyKey = idempotencyKey;
    this.#warnings = warnings; // JSON, or what it says once somebody has asked
  }

  get warnings() {
    if (typeof this.#warnings === 'string') this.#warnings = this.#warnings === '' ? [] : JSON.parse(this.#warnings);
    return this.#warnings;
  }

  get value() {
    return (this.#value ??= JSON.parse(this.body));
  }

  toJSON() {
    const { body, idempotencyKey, warnings } = this;
    return { body, idempotencyKey, warnings };
  }
}

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1); // also of another realm, as in Jest or a frame

const described = (value) => (value === null ? 'null' : typeof value === 'object' ? tag(value) : typeof value);

function wrong(name, expected, found) {
  return new TypeError(`${name}: expected ${expected}; found ${described(found)}`);
}

/** The input as bytes or a string of JSON. */
function document(input) {
  if (typeof input === 'string' || (ArrayBuffer.isView(input) && input instanceof Uint8Array)) return input;
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
    default:
      throw wrong('input', 'a Uint8Array, a string of JSON, or an object', input);
  }
  if (typeof input?.then === 'function') throw wrong('input', 'a value (is an await missing?)', input);
  return JSON.stringify(input); // a lone surrogate becomes an escape, which the mapping refuses
}

/** A string that is no Unicode text; told as bytes that are no UTF-8 are, instead of sending a replacement character. */
function surrogate(input) {
  if (typeof input !== 'string' || input.isWellFormed?.()) return undefined;
  const at = input.search(LONE_SURROGATE);
  if (at < 0) return undefined;
  const diagnostics = `not UTF-8 text (byte ${encoder.encode(input.slice(0, at)).length})`;
  return [{ severity: 'fatal', code: 'structure', expression: '', diagnostics }];
}

const NONE = Object.freeze({});

/** The options, all of them known; a typing error must not become a default. */
function only(options, names, what = 'options') {
  if (options === undefined || options === null) return NONE;
  if (tag(options) !== 'Object') throw wrong(what, 'an object', options);
  const unknown = Object.keys(options).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new TypeError(`${what}: ${unknown.join(', ')} unknown; expected ${names.join(', ')}`);
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
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list) || list.some((code) => typeof code !== 'string')) {
    throw wrong('locationCodes', 'a list of texts', list);
  }
  return JSON.stringify(list);
}

/** A setting's name within `settings`, or within a map's settings of a Mapper. */
const named = (map, setting) => [map, setting].filter((part) => part !== '').join('.');

function settingsText(settings, map = '') {
  if (settings === undefined) return '';
  if (tag(settings) !== 'Object') {
    throw new SettingsError([{ setting: map, problem: `expected an object; found ${described(settings)}` }]);
  }
  // JSON.stringify would leave a function out, and a default would take its place.
  return JSON.stringify(settings, (setting, value) => {
    if (typeof value === 'function' || typeof value === 'symbol') {
      const problem = `expected a text, a number or a list; found a ${typeof value}`;
      throw new SettingsError([{ setting: named(map, setting), problem }]);
    }
    return value;
  });
}

/** The maps by their numbers in the module, as a Mapper calls them, and what each takes beside a document. */
const MAPS = ['claimResponse', 'feedback', 'patient'];
const TAKEN = [['contact', 'claimDate'], ['insureeUuid'], ['locationCodes']];
const BESIDE_SETTINGS = TAKEN.map((names) => ['settings', ...names]);

/** The functions, and the Mapper, over a module and its memory. */
function connect(core, { settings: known, map, outcome }) {
  const prepared = (which, text, map = '') => {
    const { number, problems } = known(which, text);
    if (number !== undefined) return number;
    throw new SettingsError(problems.map(({ setting, problem }) => ({ setting: named(map, setting), problem })));
  };
  const done = (mapped, text, bodyEnds, keyEnds) => {
    if (!mapped) throw new MappingError(JSON.parse(text), outcome);
    return new Mapped(text.slice(0, bodyEnds), text.slice(bodyEnds, keyEnds), text.slice(keyEnds));
  };
  const run = (call, which, settings, input, second, third) => {
    const given = document(input);
    const number = prepared(which, settings);
    const issues = surrogate(input);
    if (issues) throw new MappingError(issues, outcome);
    return map(call, number, given, second, third, done);
  };

  const mapClaimResponse = (settings, input, { contact, claimDate }) =>
    run(core.mapClaimResponse, 0, settings, input, contactId(contact), text('claimDate', claimDate));
  const mapFeedback = (settings, input, { insureeUuid }) =>
    run(core.mapFeedback, 1, settings, input, text('insureeUuid', insureeUuid));
  const mapPatient = (settings, input, { locationCodes }) =>
    run(core.mapPatient, 2, settings, input, codes(locationCodes));

  class Mapper {
    constructor(settings) {
      const given = only(settings, MAPS, 'settings');
      const texts = MAPS.map((map) => settingsText(given[map], map));
      texts.forEach((text, which) => prepared(which, text, MAPS[which]));
      const [claimResponse, feedback, patient] = texts;
      this.mapClaimResponse = (input, options) => mapClaimResponse(claimResponse, input, only(options, TAKEN[0]));
      this.mapFeedback = (input, options) => mapFeedback(feedback, input, only(options, TAKEN[1]));
      this.mapPatient = (input, options) => mapPatient(patient, input, only(options, TAKEN[2]));
    }
  }

  const once = (run, which) => (input, options) => {
    const checked = only(options, BESIDE_SETTINGS[which]);
    return run(settingsText(checked.settings), input, checked);
  };
  return {
    Mapper,
    mapClaimResponse: once(mapClaimResponse, 0),
    mapFeedback: once(mapFeedback, 1),
    mapPatient: once(mapPatient, 2),
  };
}

export { connect, MappingError, SettingsError };
