// The form for the settings that are used most, and for what the mediator knows besides the document.

let numbered = 0;

function field(label, control) {
  numbered += 1;
  const name = Object.assign(document.createElement('label'), { textContent: label, htmlFor: `field-${numbered}` });
  control.id = name.htmlFor;
  const box = document.createElement('div');
  box.className = 'field';
  box.append(name, control);
  return box;
}

function controlOf({ path, choices, number }, changed) {
  const control = document.createElement(choices ? 'select' : 'input');
  if (choices) control.append(...choices.map((choice) => new Option(choice, choice)));
  else Object.assign(control, { type: number ? 'number' : 'text', autocomplete: 'off', spellcheck: false });
  control.dataset.path = path.join('.');
  const value = () => (number ? (control.value === '' ? null : Number(control.value)) : control.value);
  control.addEventListener('input', () => changed(path, value()));
  return control;
}

function fields(form, changed) {
  return form.map((one) => {
    if (!one.group) return field(one.label, controlOf(one, changed));
    const group = document.createElement('fieldset');
    const legend = Object.assign(document.createElement('legend'), { textContent: one.group });
    group.append(legend, ...fields(one.form, changed));
    return group;
  });
}

/** Builds both for a kind. `changed` hears of settings, `changedKnown` of the rest. */
export function showForm(form, known, kind, values, changed, changedKnown) {
  form.replaceChildren(...fields(kind.form, changed));
  known.replaceChildren(known.querySelector('legend'), ...kind.known.map(({ key, label }) => {
    const control = Object.assign(document.createElement('input'), { type: 'text', autocomplete: 'off', spellcheck: false });
    control.value = values[key] ?? '';
    control.dataset.known = key;
    control.addEventListener('input', () => changedKnown(key, control.value));
    return field(label, control);
  }));
}

/** Shows the settings in the form; what is being typed into stays as it is. Null: they cannot be read, and the form waits. */
export function formOf(form, kind, settings) {
  for (const control of form.querySelectorAll('[data-path]')) {
    control.disabled = settings === null;
    if (control === document.activeElement || !settings) continue;
    const path = control.dataset.path.split('.');
    const own = path.reduce((part, key) => part?.[key], settings);
    control.value = own ?? path.reduce((part, key) => part?.[key], kind.settings);
  }
}

/** What is known besides the document, without what is empty. */
export function knownOf(kind, values) {
  return Object.fromEntries(kind.known.map(({ key }) => [key, (values[key] ?? '').trim()]).filter(([, value]) => value));
}
