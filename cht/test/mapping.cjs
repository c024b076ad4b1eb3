// The mediator's mappings, as its npm package has them (npm/dist, built by `cargo xtask build`).
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { ROOT } = require('./world.cjs');

const WORKSPACE = path.dirname(ROOT);
const PACKAGE = path.join(WORKSPACE, 'npm/dist/index.mjs');

const mapping = () => {
  if (!fs.existsSync(PACKAGE)) {
    throw new Error('npm/dist is not there: run `cargo xtask build` first');
  }
  return import(pathToFileURL(PACKAGE));
};

/** The claim response of CHT's documentation. */
const documentedClaim = () => fs.readFileSync(path.join(WORKSPACE, 'wit/cases/claim-response/documented-sample.input.json'));

/** The report as CHT stores a record that comes over its API: values untouched. */
const stored = (record, reported_date) => {
  const { _meta, ...fields } = record;
  return { _id: 'report-of-the-claim', type: 'data_record', form: _meta.form, errors: [], tasks: [], fields, reported_date };
};

module.exports = { documentedClaim, mapping, stored };
