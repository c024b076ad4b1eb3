// How the cases of the mappings are run through JavaScript, and what they must give.
export { cases } from './cases.mjs';

/** How each map is called on a case. */
export const maps = {
  'claim-response': ({ mapClaimResponse }, input, { json }) =>
    mapClaimResponse(input, { settings: json('settings.json'), contact: json('contact.json'), claimDate: json('claim-date.json') }),
  feedback: ({ mapFeedback }, input, { json }) =>
    mapFeedback(input, { settings: json('settings.json'), insureeUuid: json('insuree.json') }),
  patient: ({ mapPatient }, input, { json }) =>
    mapPatient(input, { settings: json('settings.json'), locationCodes: json('locations.json') }),
};

/** An issue as `error.txt` and `warnings` show it. */
export const line = ({ severity, code, expression, diagnostics }) =>
  `${severity} ${code}${expression ? ` ${expression}` : ''}: ${diagnostics}`;

/** What a case must give: the very text of the body, or the very lines of the issues. */
export function expected({ name, json, text }) {
  const mapped = json('expected.json');
  if (mapped === undefined) return { issues: text('error.txt') };
  if (text('error.txt') !== undefined) throw new Error(`${name} has two results`);
  // The mappings write JSON without blanks, as JSON.stringify does, and a case has the order of the keys.
  return { body: JSON.stringify(mapped.body), key: mapped.idempotency_key, warnings: mapped.warnings };
}

/** What a door gives for a case, in the same form. */
export function found(door, map, input, one) {
  try {
    const { body, idempotencyKey: key, warnings } = maps[map](door, input, one);
    return { body, key, warnings: warnings.map(line) };
  } catch (error) {
    if (!(error instanceof door.MappingError)) throw error;
    return { issues: error.issues.map((issue) => `${line(issue)}\n`).join('') };
  }
}
