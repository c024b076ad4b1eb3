// JSON with the place of every value: to mark what an issue is about, and to show a document without changing a letter of its values.

const DEEPEST = 500;

/** The value of a JSON text: {kind, start, end, from, entries?, items?}; `from` is where its key begins. Null if it is no JSON. */
export function read(text) {
  let at = 0;
  const blank = () => { while (' \t\r\n'.includes(text[at] ?? 'x')) at += 1; };
  const take = (sign) => { if (text[at] !== sign) throw new SyntaxError(); at += 1; };
  const literal = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) throw new SyntaxError();
    at = pattern.lastIndex;
    return found[0];
  };
  // By hand: a regular expression gives up on a string of some megabytes.
  const string = () => {
    const begin = at;
    take('"');
    while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    take('"');
    return JSON.parse(text.slice(begin, at));
  };
  const list = (close, one) => {
    take(text[at]);
    blank();
    if (text[at] !== close) {
      for (;;) {
        one();
        blank();
        if (text[at] !== ',') break;
        at += 1;
        blank();
      }
    }
    take(close);
  };
  const value = (depth, from) => {
    if (depth > DEEPEST) throw new RangeError();
    blank();
    const node = { kind: 'other', start: at, from: from ?? at };
    if (text[at] === '{') {
      node.kind = 'object';
      node.entries = [];
      list('}', () => {
        const begin = at;
        const key = string();
        blank();
        take(':');
        node.entries.push({ key, value: value(depth + 1, begin) });
      });
    } else if (text[at] === '[') {
      node.kind = 'array';
      node.items = [];
      list(']', () => { node.items.push(value(depth + 1)); });
    } else if (text[at] === '"') {
      node.kind = 'text';
      node.text = string();
    } else {
      literal(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y);
    }
    node.end = at;
    return node;
  };
  try {
    const node = value(0);
    blank();
    return at === text.length ? node : null;
  } catch {
    return null;
  }
}

/** The text of a JSON document with a line for each entry; values stay as they are written. */
export function indented(text) {
  const tree = read(text);
  if (!tree) return text;
  const show = (node, indent) => {
    const inner = `${indent}  `;
    const parts = node.kind === 'object'
      ? node.entries.map(({ key, value }) => `${inner}${JSON.stringify(key)}: ${show(value, inner)}`)
      : node.items?.map((item) => inner + show(item, inner));
    if (!parts) return text.slice(node.start, node.end);
    const [open, close] = node.kind === 'object' ? '{}' : '[]';
    return parts.length ? `${open}\n${parts.join(',\n')}\n${indent}${close}` : open + close;
  };
  return show(tree, '');
}

/** A member of an object by its key. */
export function member(node, key) {
  return node?.entries?.findLast((entry) => entry.key === key)?.value;
}

/** The steps of a FHIRPath as our mappings write it: `identifier.where(type.coding.code = 'Code').value`. */
function steps(path) {
  return path.match(/where\([^)]*\)|[^.]+/g) ?? [];
}

const elements = (nodes) => nodes.flatMap((node) => node.items ? elements(node.items) : [node]);

function walk(nodes, path) {
  let found = nodes;
  let deepest = nodes;
  for (const step of steps(path)) {
    const condition = /^where\((.*?)\s*=\s*'(.*)'\)$/.exec(step);
    const [, name, index] = /^([^[]*)(?:\[(\d+)\])?$/.exec(step) ?? [null, step];
    if (condition) {
      found = elements(found).filter((node) => elements(walk([node], condition[1]).found).some(({ text }) => text === condition[2]));
    } else {
      found = elements(found).map((node) => member(node, name)).filter(Boolean);
      if (index) found = elements(found).slice(Number(index), Number(index) + 1);
    }
    if (!found.length) return { found, deepest };
    deepest = found;
  }
  return { found, deepest };
}

/**
 * Where a document has the element that an expression names: {start, end, isThere}. What is missing is looked for one level up.
 * `root` is the name that the expression begins with. Null: the expression is about something else.
 */
export function place(text, tree, expression, root) {
  if (!tree || expression === '') return null;
  let path = expression;
  if (path === root) path = '';
  else if (path.startsWith(`${root}.`)) path = path.slice(root.length + 1);
  else if (/^[A-Z]\w*\./.test(path)) return null;
  const whole = member(tree, path);
  const { found, deepest } = whole ? { found: [whole], deepest: [whole] } : walk([tree], path);
  const node = deepest[0];
  const line = text.indexOf('\n', node.start);
  const isScalar = !node.entries && !node.items;
  let end = isScalar || line < 0 ? node.end : Math.min(node.end, line);
  if (node === tree) end = node.start + 1; // not the whole document
  return { start: node.from, end, isThere: found.length > 0 };
}

/** The place that '(line 3, column 7)' in a diagnosis names; columns count bytes of UTF-8. */
export function toldPlace(text, diagnostics) {
  const told = /\(line (\d+), column (\d+)\)/.exec(diagnostics);
  if (!told) return null;
  let start = 0;
  for (let line = 1; line < Number(told[1]); line += 1) {
    const next = text.indexOf('\n', start);
    if (next < 0) break;
    start = next + 1;
  }
  const newline = text.indexOf('\n', start);
  const row = text.slice(start, newline < 0 ? text.length : newline);
  const before = new TextEncoder().encode(row).slice(0, Math.max(0, Number(told[2]) - 1));
  const at = Math.min(start + new TextDecoder().decode(before).length, Math.max(text.length - 1, 0));
  return { start: at, end: Math.min(at + 1, text.length), isThere: true };
}

/** The line of a place, counted from 1. */
export function lineOf(text, at) {
  let line = 1;
  for (let next = text.indexOf('\n'); next >= 0 && next < at; next = text.indexOf('\n', next + 1)) line += 1;
  return line;
}
