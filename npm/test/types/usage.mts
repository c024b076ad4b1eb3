// Compiled by types.test.mjs and never run: what the types promise. A line below @ts-expect-error must be refused.
import { mapClaimResponse, mapFeedback, Mapper, mapPatient, MappingError, SettingsError } from 'openimis-mediator-mapping';
import type { ClaimResponseSettings, Issue, Mapped, ChtRecord } from 'openimis-mediator-mapping';
import { init, mapPatient as inBrowser } from 'openimis-mediator-mapping/web';

const settings: ClaimResponseSettings = { form: 'OP', fields: { date: '' }, calendar: 'gregorian', utc_offset_minutes: 345 };
const record: Mapped<ChtRecord> = mapClaimResponse(new Uint8Array(), { settings, contact: { contact_id: 'a' }, claimDate: null });
const form: string = record.value._meta.form;
const rating: string | undefined = mapFeedback({ doc: {} }, { insureeUuid: 'a' }).value.payload[4]?.contentString;
const phone: string | undefined = mapPatient('{}', { locationCodes: ['R1'], settings: { places: [] } }).value.phone;
const mapper = new Mapper({ claimResponse: settings, patient: { default_place: 'a' } });
export const prepared: string[] = [mapper.mapClaimResponse('', { claimDate: null }).value._meta.form, new Mapper().mapFeedback('').body];

export async function page(): Promise<string> {
  await init(new URL('https://example.org/mapping_bg.wasm'));
  await init(fetch('mapping_bg.wasm'));
  return inBrowser('{}').body + form + rating + phone;
}

export function told(error: unknown): Issue[] {
  if (error instanceof SettingsError) return error.problems.map(({ setting: expression, problem: diagnostics }) => ({ severity: 'error', code: 'business-rule', expression, diagnostics }));
  if (error instanceof MappingError) return error.operationOutcome().issue.length > 0 ? error.issues : [];
  throw error;
}

// @ts-expect-error a setting that does not exist
mapClaimResponse('', { settings: { forms: 'OP' } });
// @ts-expect-error a calendar that does not exist
mapClaimResponse('', { settings: { calendar: 'julian' } });
// @ts-expect-error the contact is an object
mapClaimResponse('', { contact: 'a' });
// @ts-expect-error an option of another map
mapFeedback('', { claimDate: '2025-08-25' });
// @ts-expect-error a number is no document
mapPatient(1);
// @ts-expect-error the settings were given before
mapper.mapFeedback('', { settings: {} });
// @ts-expect-error settings of a map that does not exist
new Mapper({ claim: {} });
// @ts-expect-error it is sent as it is
record.body = '';
