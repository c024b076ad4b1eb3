// A feedback form in French: answers are oui and non, and the rating is a word. Becomes the Communication that openIMIS keeps on the claim.

const IG = 'https://openimis.github.io/openimis_fhir_r4_ig';
const QUESTIONS = [
  ['care_rendered', 'CareRendered'],
  ['payment_asked', 'PaymentAsked'],
  ['drug_prescribed', 'DrugPrescribed'],
  ['drug_received', 'DrugReceived'],
];
const ANSWERS = new Map([['oui', 'yes'], ['non', 'no']]);
const RATINGS = ['très mauvais', 'mauvais', 'moyen', 'assez bon', 'bon', 'très bon'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

// Issues say what was expected, never what the document says: that may be personal.
const wrong = (expression, expected) =>
  ({ severity: 'error', code: 'value', expression, diagnostics: `expected ${expected}` });

const word = (value) => (typeof value === 'string' ? value.trim().toLowerCase() : undefined);

function uuid(push, keys, known, issues) {
  const found = keys.filter((key) => push[key] !== undefined);
  const text = found.length === 0 ? word(known) : found.length === 1 ? word(push[found[0]]) : undefined;
  if (text === undefined || !UUID.test(text)) {
    issues.push(wrong(keys[0], 'one uuid'));
  }
  return text;
}

function answer(push, key, issues) {
  const said = ANSWERS.get(word(push[key]));
  if (said === undefined) {
    issues.push(wrong(key, 'oui or non'));
  }
  return said;
}

function rating(push, { ratingMin, ratingMax }, issues) {
  const number = RATINGS.indexOf(word(push.assessment_rating));
  if (number < ratingMin || number > ratingMax) {
    issues.push(wrong('assessment_rating', `one of: ${RATINGS.slice(ratingMin, ratingMax + 1).join(', ')}`));
  }
  return String(number);
}

function reportId(push) {
  const id = push.doc?._id ?? push['doc._id'];
  return typeof id === 'string' && id.trim() !== '' ? id.trim() : undefined;
}

const payload = ([code, contentString]) => ({
  extension: [
    {
      url: `${IG}/StructureDefinition/communication-payload-type`,
      valueCodeableConcept: { coding: [{ system: `${IG}/CodeSystem/feedback-payload`, code }] },
    },
  ],
  contentString,
});

function mapFeedback(text, insureeUuid, settings) {
  let push;
  try {
    push = JSON.parse(text);
  } catch {
    // told below
  }
  if (typeof push !== 'object' || push === null || Array.isArray(push)) {
    throw [{ severity: 'fatal', code: 'structure', expression: 'feedback', diagnostics: 'expected a JSON object' }];
  }
  // All problems are told at once, so the first one does not end this.
  const issues = [];
  const claim = uuid(push, ['claimuuid', 'claimUUID'], undefined, issues);
  const insuree = uuid(push, ['insureeuuid', 'insureeUUID'], insureeUuid, issues);
  const answers = QUESTIONS.map(([key, code]) => [code, answer(push, key, issues)]);
  answers.push(['Asessment', rating(push, settings, issues)]); // openIMIS' own spelling
  if (issues.length > 0) {
    throw issues;
  }
  const body = {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: `Patient/${insuree}`, type: 'Patient' },
    about: [{ reference: `Claim/${claim}`, type: 'Claim' }],
    payload: answers.map(payload),
  };
  return { body: JSON.stringify(body), idempotencyKey: `feedback/${reportId(push) ?? claim}`, warnings: [] };
}

export const types = {};
export const feedback = { mapFeedback };
