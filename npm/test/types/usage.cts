// The same package from CommonJS.
import mapping = require('openimis-mediator-mapping');

export const key: string = mapping.mapFeedback('{}').idempotencyKey;
