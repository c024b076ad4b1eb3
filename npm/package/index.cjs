'use strict';

const core = require('./mapping.cjs');
const { connect, MappingError, SettingsError } = require('./face.cjs');
const { exchange } = require('./memory.cjs');

// A Buffer writes and reads short texts several times faster than TextEncoder and TextDecoder do.
const platform = {
  view: (memory) => Buffer.from(memory),
  write: (memory, text, at) => memory.write(text, at),
  read: (memory, start, end, ascii) => memory.toString(ascii ? 'latin1' : 'utf8', start, end),
};
const { Mapper, mapClaimResponse, mapFeedback, mapPatient } = connect(core, exchange(core, platform));

module.exports = { Mapper, mapClaimResponse, mapFeedback, mapPatient, MappingError, SettingsError };
