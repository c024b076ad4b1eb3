// All settings, from the environment; every mistake is told at the start with its variable, not by the first message.
import { mapClaimResponse, mapFeedback, mapPatient, SettingsError } from 'openimis-mediator-mapping';

const LONGEST_MS = 2 ** 31 - 1; // a longer timer of Node's would run out at once

/** Throws one error with all mistakes, a line each. No value is in it but of the mapping's settings: it may be a password in the wrong place. */
export function configuration(env) {
  const problems = [];
  const wrong = (name, problem) => void problems.push(`${name}: ${problem}`);
  const text = (name, preset) => {
    const value = env[name] ?? preset;
    if (!value?.trim()) wrong(name, value === undefined ? 'not set' : 'empty');
    return value ?? '';
  };
  const whole = (name, preset, lowest, highest) => {
    const given = env[name] ?? `${preset}`;
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < lowest || value > highest) wrong(name, `expected a whole number from ${lowest} to ${highest}`);
    return value;
  };
  const address = (name) => {
    const given = text(name);
    if (!given.trim()) return undefined;
    const url = parsed(given);
    if (!url || !/^https?:$/.test(url.protocol)) return wrong(name, 'expected an address that begins with http:// or https://');
    if (url.username || url.password) return wrong(name, 'holds a user or a password; they have variables of their own');
    if (url.search || url.hash) return wrong(name, 'expected an address without ? and #');
    return url;
  };
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    wrong('NODE_TLS_REJECT_UNAUTHORIZED', 'TLS is always verified; name your CA file in NODE_EXTRA_CA_CERTS');
  }
  const timeout = whole('TIMEOUT_MS', 10_000, 1, LONGEST_MS);
  const peer = (name, url, prefix) => {
    const login = `${text(`${prefix}_USERNAME`)}:${text(`${prefix}_PASSWORD`)}`;
    return { name, url, authorization: `Basic ${Buffer.from(login).toString('base64')}`, timeout };
  };
  const config = {
    port: whole('PORT', 3000, 0, 65_535),
    host: text('HOST', '0.0.0.0'),
    cht: peer('CHT', base(address('CHT_URL')), 'CHT'),
    openimis: peer('openIMIS', base(address('OPENIMIS_API_URL'), 'api_fhir_r4', '/api/api_fhir_r4'), 'OPENIMIS'),
    // What OpenHIM's route, or openIMIS itself, has to present.
    client: { username: text('MEDIATOR_USERNAME'), password: text('MEDIATOR_PASSWORD') },
    openhim: env.OPENHIM_API_URL !== undefined && {
      apiURL: address('OPENHIM_API_URL')?.href.replace(/\/$/, ''),
      username: text('OPENHIM_USERNAME'),
      password: text('OPENHIM_PASSWORD'),
      urn: 'urn:mediator:openimis-cht-example',
      timeout,
      heartbeat: whole('HEARTBEAT_MS', 10_000, 1, LONGEST_MS),
      mediatorHost: text('MEDIATOR_HOST', 'localhost'),
      allow: text('OPENHIM_CLIENTS', 'interop-client').split(',').map((client) => client.trim()),
    },
    settings: mappingSettings(env.MAPPING_SETTINGS ?? '{}', (problem) => wrong('MAPPING_SETTINGS', problem)),
  };
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return config;
}

/** The settings of the maps, as far as this example can use them. */
function mappingSettings(given, wrong) {
  let all;
  try {
    all = JSON.parse(given);
  } catch {
    // told below
  }
  if (typeof all !== 'object' || all === null || Array.isArray(all)) return wrong('expected a JSON object');
  const maps = { claimResponse: mapClaimResponse, feedback: mapFeedback, patient: mapPatient };
  for (const [name, settings] of Object.entries(all)) {
    if (!Object.hasOwn(maps, name)) {
      wrong(`${name}: unknown; expected ${Object.keys(maps).join(', ')}`);
      continue;
    }
    try {
      maps[name]('', { settings }); // nothing to map: only the settings are looked at
    } catch (error) {
      if (error instanceof SettingsError) error.message.split('\n').forEach((line) => wrong(`${name}: ${line}`));
    }
  }
  // The table of places goes by location codes, and those would have to be asked for level by level.
  if (all.patient?.places?.length > 0) wrong('patient.places: not used here, where nobody asks openIMIS for locations; set default_place');
  else if (all.patient && !all.patient.default_place) wrong('patient.default_place: missing; without a place no person is made');
  return all;
}

function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** An address to put paths behind, with the API's path if it is not there yet. */
function base(url, part = '', path = '') {
  if (!url) return undefined;
  const whole = new URL(url);
  whole.pathname = `${url.pathname.replace(/\/$/, '')}${url.pathname.includes(part) ? '' : path}/`;
  return whole;
}
