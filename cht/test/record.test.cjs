// The claim's record: what the mediator writes against what the form's definition allows, in both calendars.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, test } = require('node:test');
const { validateFormsSchema } = require('cht-conf/src/lib/validate-app-settings');
const { documentedClaim, mapping } = require('./mapping.cjs');
const { ROOT } = require('./world.cjs');

const json = file => JSON.parse(fs.readFileSync(path.join(ROOT, file)));
const bikramSambat = json('app_settings/forms.json');
const gregorian = json('gregorian/forms.json');
/** As long as the `_id` of a CHT contact is. */
const CONTACT = '72b49ee9-c8b9-587f-85b3-bec69d4f648c';

let mapClaimResponse;
before(async () => ({ mapClaimResponse } = await mapping()));

/** What the web app shows as dates: milliseconds as a number (or ISO dates). Text of digits is stored and shown as "Invalid date". */
const DATES = ['bsAggreDate', 'date'];
const RANGES = { bsYear: [1970, 2090], bsMonth: [1, 12], bsDay: [1, 32] };

/**
 * What CHT finds wrong with a record, and what it ought to. As measured on 5.2, CHT itself checks that required fields are
 * there and that fields of type string are texts; lengths, ranges and unknown fields only these tests look at.
 */
const problems = (forms, record) => {
  const { _meta, ...fields } = record;
  const definition = forms[_meta.form] && forms[_meta.form].fields;
  if (!definition) {
    return [`no form ${_meta.form}`];
  }
  const unknown = Object.keys(fields).filter(name => !definition[name]).map(name => `${name}: not in the form`);
  return unknown.concat(Object.entries(definition).flatMap(([name, { type, required, length }]) => {
    const value = fields[name];
    if (value === undefined || value === null || value === '') {
      return required ? [`${name}: missing`] : [];
    }
    if (DATES.includes(type)) {
      return Number.isInteger(value) ? [] : [`${name}: the web app shows "Invalid date"`];
    }
    if (typeof value !== 'string') {
      return [`${name}: not a text`];
    }
    if (length && (value.length < length[0] || value.length > length[1])) {
      return [`${name}: ${value.length} characters`];
    }
    const [least, most] = RANGES[type] || [];
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    return least === undefined || (number >= least && number <= most) ? [] : [`${name}: ${value}`];
  }));
};

const record = settings => mapClaimResponse(documentedClaim(), { contact: { contact_id: CONTACT }, settings }).value;

test('CHT\'s own schema accepts both definitions of the form', () => {
  [bikramSambat, gregorian].forEach(forms => assert.deepEqual(validateFormsSchema(forms), { valid: true }));
});

test('the two definitions differ in the types of the four date fields only', () => {
  const types = forms => Object.fromEntries(Object.entries(forms.OP.fields).map(([name, { type }]) => [name, type]));
  assert.deepEqual({ ...types(gregorian), op_year: 'bsYear', op_month: 'bsMonth', op_day: 'bsDay', op_date: 'bsAggreDate' }, types(bikramSambat));
  const without = forms => JSON.stringify(forms).replace(/"type":"[^"]+"/g, '');
  assert.equal(without(gregorian), without(bikramSambat));
});

test('the mediator\'s record is accepted as it comes, in Bikram Sambat', () => {
  const { op_year, op_month, op_day, ...rest } = record({});
  assert.deepEqual([op_year, op_month, op_day], ['2082', '5', '9']);
  assert.deepEqual(problems(bikramSambat, { op_year, op_month, op_day, ...rest }), []);
});

test('with calendar = "gregorian" it is accepted by the Gregorian form', () => {
  const written = record({ calendar: 'gregorian' });
  assert.deepEqual([written.op_year, written.op_month, written.op_day], ['2025', '8', '25']);
  assert.deepEqual(problems(gregorian, written), []);
});

test('a record that is wrong is refused', () => {
  assert.deepEqual(problems(bikramSambat, { ...record({}), op_year: '2125' }), ['op_year: 2125']);
  assert.deepEqual(problems(bikramSambat, { ...record({}), op_date: '1756080000000' }), ['op_date: the web app shows "Invalid date"']);
  assert.deepEqual(problems(bikramSambat, { ...record({}), patient_id: 12345 }), ['patient_id: not a text']);
  assert.deepEqual(problems(bikramSambat, { ...record({}), op_claim_uuid: undefined }), ['op_claim_uuid: missing']);
  assert.deepEqual(problems(bikramSambat, { ...record({}), surprise: '1' }), ['surprise: not in the form']);
  assert.deepEqual(problems(bikramSambat, record({ form: 'OPX' })), ['no form OPX']);
});

test('a patient\'s short id fits as well as the contact\'s _id', () => {
  const { value } = mapClaimResponse(documentedClaim(), { contact: { contact_id: '40123' } });
  assert.deepEqual(problems(bikramSambat, value), []);
});
