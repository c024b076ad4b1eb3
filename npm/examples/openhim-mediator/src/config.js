// All settings, from the environment; every mistake is told at the start, not by the first message.
import { mapClaimResponse, mapFeedback, mapPatient, SettingsError } from 'openimis-mediator-mapping';

export function configuration(env) {
  const missing = [];
  const needed = (name) => env[name] || (missing.push(name), '');
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw new Error('NODE_TLS_REJECT_UNAUTHORIZED: TLS is always verified; name your CA file in NODE_EXTRA_CA_CERTS');
  }
  const timeout = Number(env.TIMEOUT_MS ?? 10_000);
  const peer = (name, url, prefix) => {
    const login = `${needed(`${prefix}_USERNAME`)}:${needed(`${prefix}_PASSWORD`)}`;
    return { name, url, authorization: `Basic ${Buffer.from(login).toString('base64')}`, timeout };
  };
  const config = {
    port: Number(env.PORT ?? 3000),
    host: env.HOST ?? '0.0.0.0',
    cht: peer('CHT', address(needed('CHT_URL')), 'CHT'),
    openimis: peer('openIMIS', address(needed('OPENIMIS_API_URL'), 'api_fhir_r4', '/api/api_fhir_r4'), 'OPENIMIS'),
    // What OpenHIM's route, or openIMIS itself, has to present.
    client: { username: needed('MEDIATOR_USERNAME'), password: needed('MEDIATOR_PASSWORD') },
    openhim: env.OPENHIM_API_URL && {
      apiURL: env.OPENHIM_API_URL.replace(/\/$/, ''),
      username: needed('OPENHIM_USERNAME'),
      password: needed('OPENHIM_PASSWORD'),
      urn: 'urn:mediator:openimis-cht-example',
      heartbeat: Number(env.HEARTBEAT_MS ?? 10_000),
      mediatorHost: env.MEDIATOR_HOST ?? 'localhost',
      allow: (env.OPENHIM_CLIENTS ?? 'interop-client').split(','),
    },
    settings: JSON.parse(env.MAPPING_SETTINGS ?? '{}'),
  };
  if (missing.length > 0) throw new Error(`${missing.join(', ')} not set`);
  const maps = { claimResponse: mapClaimResponse, feedback: mapFeedback, patient: mapPatient };
  for (const [name, settings] of Object.entries(config.settings)) {
    if (!maps[name]) throw new Error(`MAPPING_SETTINGS: ${name} unknown; expected ${Object.keys(maps).join(', ')}`);
    try {
      maps[name]('', { settings }); // nothing to map: only the settings are looked at
    } catch (error) {
      if (error instanceof SettingsError) throw new Error(`MAPPING_SETTINGS: ${name}: ${error.message}`);
    }
  }
  return config;
}

/** An address to put paths behind, with the API's path if it is not there yet. */
function address(text, part = '', path = '') {
  if (!text) return '';
  const url = new URL(text);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${url.pathname.includes(part) ? '' : path}/`;
  return url;
}
