// The fixture folders that every door goes through: tests/fixtures/<map>/<case>/, as tests/fixtures.rs reads them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../tests/fixtures/', import.meta.url);

/** The folders of a map, by name. */
export function cases(map) {
  const folder = new URL(`${map}/`, root);
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return names.sort().map((name) => {
    const file = (file) => fileURLToPath(new URL(`${name}/${file}`, folder));
    const json = (name) => (existsSync(file(name)) ? JSON.parse(readFileSync(file(name), 'utf8')) : undefined);
    const text = (name) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : undefined);
    return { name: `${map}/${name}`, bytes: readFileSync(file('input.json')), json, text };
  });
}

/** How each map is called on a folder. */
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
  // The mappings write JSON without blanks, as JSON.stringify does, and a fixture keeps the order of the keys.
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
