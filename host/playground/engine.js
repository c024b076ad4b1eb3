// The mappings: the web build of the npm package, which `cargo xtask build` puts into the folder `mapping` beside this page.

import { init, mapClaimResponse, mapFeedback, mapPatient } from './mapping/web.mjs';

const codes = (list) => list.split(',').map((code) => code.trim()).filter(Boolean);

/** Loads the mappings. Each takes a text or bytes, settings, and what is known besides, as texts. */
export async function load() {
  await init();
  return {
    'claim-response': (input, settings, { contact, claim_date: claimDate }) =>
      mapClaimResponse(input, { settings, contact: contact && { contact_id: contact }, claimDate }),
    feedback: (input, settings, { insuree: insureeUuid }) => mapFeedback(input, { settings, insureeUuid }),
    patient: (input, settings, { locations = '' }) => mapPatient(input, { settings, locationCodes: codes(locations) }),
  };
}
