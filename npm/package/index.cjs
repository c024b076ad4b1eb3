'use strict';

const { connect, MappingError, SettingsError } = require('./face.cjs');

const { mapClaimResponse, mapFeedback, mapPatient } = connect(require('./mapping.cjs'));

module.exports = { mapClaimResponse, mapFeedback, mapPatient, MappingError, SettingsError };
