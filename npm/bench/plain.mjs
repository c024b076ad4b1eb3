// The same fields by hand, in lean JavaScript: what the npm package is measured beside. It takes the documents as they ought to be and
// checks little: no issues, no other spellings, no conflicts between identifiers. bench.mjs first compares what both write.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const IG = 'https://openimis.github.io/openimis_fhir_r4_ig';
const DAY = 86_400_000;

const read = (bytes, resourceType) => {
  const resource = JSON.parse(bytes);
  if (resource.resourceType !== resourceType) throw new Error(`expected ${resourceType}`);
  return resource;
};
const identifier = (resource, code) =>
  resource.identifier?.find(({ type }) => type?.coding?.some((coding) => coding.code === code))?.value;

// Months of the Bikram Sambat calendar, by the number of their first day since 1970-01-01.
const months = readFileSync(new URL('../../tests/fixtures/bikram-sambat/months.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((row) => row.split(','))
  .map(([year, month, first]) => ({ year, month, first: Date.parse(first) / DAY }));

function bikramSambat(day) {
  let [low, high] = [0, months.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (months[middle].first <= day) low = middle;
    else high = middle - 1;
  }
  return { ...months[low], day: day - months[low].first + 1 };
}

/** ClaimResponse to CHT record, as with the default settings. */
export function claimResponse(bytes) {
  const resource = read(bytes, 'ClaimResponse');
  const uuid = (identifier(resource, 'UUID') ?? resource.id).toLowerCase();
  const midnight = Math.floor(Date.parse(resource.created) / DAY) * DAY;
  const { year, month, day } = bikramSambat(midnight / DAY);
  return JSON.stringify({
    _meta: { form: 'OP' },
    patient_id: resource.patient.reference.split('/').pop(),
    op_claim_id: identifier(resource, 'Code'),
    op_claim_uuid: uuid,
    op_year: year,
    op_month: month,
    op_day: String(day),
    op_date: midnight,
  });
}

const payload = (code, contentString) => ({
  extension: [
    {
      url: `${IG}/StructureDefinition/communication-payload-type`,
      valueCodeableConcept: { coding: [{ system: `${IG}/CodeSystem/feedback-payload`, code }] },
    },
  ],
  contentString,
});

/** Feedback to Communication. */
export function feedback(bytes) {
  const push = JSON.parse(bytes);
  return JSON.stringify({
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: `Patient/${push.insureeuuid.toLowerCase()}`, type: 'Patient' },
    about: [{ reference: `Claim/${push.claimuuid.toLowerCase()}`, type: 'Claim' }],
    payload: [
      payload('CareRendered', push.care_rendered.toLowerCase()),
      payload('PaymentAsked', push.payment_asked.toLowerCase()),
      payload('DrugPrescribed', push.drug_prescribed.toLowerCase()),
      payload('DrugReceived', push.drug_received.toLowerCase()),
      payload('Asessment', String(Number(push.assessment_rating))),
    ],
  });
}

const URLS = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex'); // RFC 9562: the namespace of addresses

function uuid5(name) {
  const hash = createHash('sha1').update(URLS).update(name).digest().subarray(0, 16);
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Patient to CHT person, at a place. */
export function patient(bytes, place) {
  const resource = read(bytes, 'Patient');
  const uuid = identifier(resource, 'UUID').toLowerCase();
  const name = resource.name[0];
  return JSON.stringify({
    _id: uuid5(`${IG}/Patient/${uuid}`),
    type: 'person',
    name: [...name.given, name.family].join(' '),
    place,
    sex: resource.gender,
    date_of_birth: resource.birthDate,
    phone: `+${resource.telecom.find(({ system }) => system === 'phone').value.replace(/\D/g, '')}`,
    openimis_id: uuid,
    chf_id: identifier(resource, 'Code'),
  });
}
