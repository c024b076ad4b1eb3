// Reads the cases of the mappings (wit/cases), as crates/cases does.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../wit/cases/', import.meta.url);

/** Sections of a case file by their names. A section begins with a line `-- name --`. */
function sections(text) {
  const [before, ...pieces] = text.split(/^-- (\S+) --\n/m);
  if (before !== '') throw new Error('expected a line `-- input.json --` first');
  return Object.fromEntries(Array.from({ length: pieces.length / 2 }, (_, index) => pieces.slice(2 * index, 2 * index + 2)));
}

/** A case: its sections as texts, and its document as bytes. */
function read(map, name) {
  const folder = new URL(`${map}/`, root);
  const own = sections(readFileSync(new URL(`${name}.txtar`, folder), 'utf8'));
  const section = (section) => {
    const alone = new URL(`${name}.${section}`, folder);
    if (existsSync(alone)) return readFileSync(alone);
    // An empty section stands for none at all, but an empty document is a document.
    if (section in own) return own[section] === '' && section !== 'input.json' ? undefined : Buffer.from(own[section]);
    const shared = new URL(section, folder);
    return existsSync(shared) ? readFileSync(shared) : undefined;
  };
  const text = (name) => section(name)?.toString();
  const json = (name) => (text(name) === undefined ? undefined : JSON.parse(text(name)));
  return { name: `${map}/${name}`, bytes: section('input.json'), json, text };
}

/** The cases of a map, by name. */
export function cases(map) {
  const files = readdirSync(new URL(`${map}/`, root)).filter((file) => file.endsWith('.txtar'));
  return files.map((file) => file.slice(0, -'.txtar'.length)).sort().map((name) => read(map, name));
}

/** One case: `feedback/documented`. */
export const one = (name) => read(...name.split('/'));
