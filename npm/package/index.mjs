// The same instance as `require` gets: one module in memory, one MappingError.
import mapping from './index.cjs';

export const { Mapper, mapClaimResponse, mapFeedback, mapPatient, MappingError, SettingsError } = mapping;
