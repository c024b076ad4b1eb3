// What CHT's server makes of a report with an outbound configuration (shared-libs/outbound, sentinel's mark_for_outbound):
// `relevant_to` and `expr` are JavaScript with `doc` in it, paths are read and written with the package object-path.
const vm = require('node:vm');
const objectPath = require('object-path');

const isRelevant = (push, doc) => Boolean(push.relevant_to && vm.runInNewContext(push.relevant_to, { doc }));

const payload = (push, doc) => {
  const result = {};
  for (const [key, source] of Object.entries(push.mapping)) {
    const { path, expr, optional } = typeof source === 'string' ? { path: source } : source;
    const value = expr ? vm.runInNewContext(expr, { doc }) : objectPath.get({ doc }, path);
    if (value !== undefined) {
      objectPath.set(result, key, value);
    } else if (!optional) {
      throw new Error(`cannot find '${path || expr}' on source document`);
    }
  }
  return result;
};

/** What is pushed for a report, or nothing. */
const pushed = (settings, doc) => {
  const push = settings.outbound['openimis-feedback'];
  return isRelevant(push, doc) ? payload(push, doc) : undefined;
};

module.exports = { isRelevant, payload, pushed };
