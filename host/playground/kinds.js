// What the page knows of the three mappings: default settings, the form for the most used, samples, how a document is recognised.

const claimResponse = {
  name: 'ClaimResponse',
  root: 'ClaimResponse',
  becomes: 'a CHT record',
  settings: {
    form: 'OP',
    fields: {
      patient_id: 'patient_id',
      claim_id: 'op_claim_id',
      claim_uuid: 'op_claim_uuid',
      year: 'op_year',
      month: 'op_month',
      day: 'op_day',
      date: 'op_date',
    },
    calendar: 'bikram-sambat',
    utc_offset_minutes: 0,
    locale: '',
  },
  form: [
    { path: ['calendar'], label: 'Calendar', choices: ['bikram-sambat', 'gregorian'] },
    { path: ['form'], label: 'Code of the CHT form' },
    { path: ['utc_offset_minutes'], label: 'Minutes east of UTC', number: true },
    { path: ['locale'], label: 'Locale (empty: none)' },
    {
      group: "Names of the form's fields",
      form: [
        { path: ['fields', 'patient_id'], label: 'The CHT contact' },
        { path: ['fields', 'claim_id'], label: "The claim's code" },
        { path: ['fields', 'claim_uuid'], label: "The claim's uuid" },
        { path: ['fields', 'year'], label: 'Year' },
        { path: ['fields', 'month'], label: 'Month' },
        { path: ['fields', 'day'], label: 'Day' },
        { path: ['fields', 'date'], label: 'Midnight of that day (empty: left out)' },
      ],
    },
  ],
  known: [
    { key: 'contact', label: 'CHT contact of the patient (_id; empty: none yet)' },
    { key: 'claim_date', label: 'Day of the claim (empty: as in the document)', about: 'Claim.created' },
  ],
};

const feedback = {
  name: 'Feedback',
  root: 'feedback',
  becomes: 'a FHIR Communication',
  settings: { rating_min: 0, rating_max: 5 },
  form: [
    { path: ['rating_min'], label: 'Lowest rating of the form', number: true },
    { path: ['rating_max'], label: 'Highest rating of the form', number: true },
  ],
  known: [{ key: 'insuree', label: "Insuree's uuid, from the claim (empty: as in the document)" }],
};

const patient = {
  name: 'Patient',
  root: 'Patient',
  becomes: 'a CHT person',
  settings: { person_type: 'person', places: [], default_place: '', phone_prefix: '' },
  form: [
    { path: ['default_place'], label: 'CHT place where none of the table fits (_id)' },
    { path: ['phone_prefix'], label: 'Country calling code, as +977' },
    { path: ['person_type'], label: 'CHT contact type' },
  ],
  known: [{ key: 'locations', label: 'Location codes, village first, with commas between them' }],
};

export const kinds = { 'claim-response': claimResponse, feedback, patient };

/** Files beside the page; `<file>.settings.json` where a sample needs settings. */
export const samples = [
  { kind: 'claim-response', label: 'ClaimResponse', file: 'claim-response' },
  { kind: 'claim-response', label: 'ClaimResponse with mistakes', file: 'claim-response-bad' },
  { kind: 'feedback', label: 'Feedback', file: 'feedback' },
  { kind: 'feedback', label: 'Feedback with mistakes', file: 'feedback-bad' },
  { kind: 'patient', label: 'Patient', file: 'patient', hasSettings: true, known: { locations: 'R1D1M1V1, R1D1M1, R1D1, R1' } },
  { kind: 'patient', label: 'Patient with mistakes', file: 'patient-bad' },
];

const ANSWERS = ['care_rendered', 'payment_asked', 'drug_prescribed', 'drug_received', 'assessment_rating', 'claimuuid', 'claimUUID'];

/** The kind of a document that was read (json.js); null if it does not say. */
export function recognised(tree) {
  const entries = tree?.entries ?? [];
  const type = entries.find(({ key }) => key === 'resourceType')?.value.text;
  if (type === 'ClaimResponse') return 'claim-response';
  if (type === 'Patient') return 'patient';
  return entries.some(({ key }) => ANSWERS.includes(key)) ? 'feedback' : null;
}
