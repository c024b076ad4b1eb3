// Registration with OpenHIM and heartbeats. TLS is verified against the system's authorities and NODE_EXTRA_CA_CERTS.
import { createRequire } from 'node:module';
import utils from 'openhim-mediator-utils';

// The very copy of axios that the library sends with, wherever npm has put it: only that one's time-out counts.
const library = createRequire(import.meta.url).resolve('openhim-mediator-utils');
const axios = createRequire(library)('axios');

const VERSION = '0.1.0';

/** What OpenHIM has to know of us. Its route has the credentials: core does not pass on the client's. */
function registration({ urn, mediatorHost, allow }, client, port) {
  const to = { name: 'openIMIS and CHT', host: mediatorHost, port, primary: true, type: 'http' };
  const channel = {
    name: 'openIMIS and CHT',
    urlPattern: '^/mediator/(claim-response|claims-feedback)$',
    methods: ['POST'],
    type: 'http',
    authType: 'private',
    allow,
    routes: [{ ...to, ...client }],
  };
  return {
    urn,
    version: VERSION,
    name: 'openIMIS and CHT (example)',
    description: 'ClaimResponse to CHT record, feedback to Communication',
    defaultChannelConfig: [channel],
    endpoints: [{ ...to, path: '/mediator/claim-response' }],
  };
}

/** Registers and keeps sending heartbeats. Whatever is wrong is told and tried again with the next heartbeat. */
export function connect(openhim, client, port) {
  axios.defaults.timeout = openhim.timeout; // the library sets none
  const reason = ({ response, code, name }) => (code === 'ECONNABORTED' ? `no answer within ${openhim.timeout} ms` : response?.status ?? code ?? name);
  const told = (what) => (error) => console.error(`OpenHIM: ${what}: ${reason(error)}`);
  const register = () =>
    utils.registerMediator(openhim, registration(openhim, client, port), (error) =>
      error ? told('registration')(error) : console.log('OpenHIM: registered'),
    );
  register();
  // An emitter without a listener for errors would end the process.
  const heartbeat = utils.activateHeartbeat(openhim, openhim.heartbeat);
  heartbeat.on('error', (error) => {
    told('heartbeat')(error);
    if (error.response?.status === 404) register(); // core does not know us (any more)
  });
  return () => utils.deactivateHeartbeat();
}
