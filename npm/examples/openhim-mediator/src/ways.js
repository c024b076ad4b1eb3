// What becomes of a message: mapped, sent, told.
import { mapClaimResponse, mapFeedback, mapPatient, MappingError } from 'openimis-mediator-mapping';
import { refused, send } from './peers.js';

const NOBODY = '00000000-0000-0000-0000-000000000000';

/** openIMIS's ClaimResponse to a CHT record, and so to a health worker's task. */
export async function claimResponse(bytes, { cht, openimis, settings }, orchestrations) {
  const options = { settings: settings.claimResponse };
  let record = mapClaimResponse(bytes, options);
  if (settings.patient?.default_place) {
    const insuree = record.value[settings.claimResponse?.fields?.patient_id ?? 'patient_id'];
    const contact = { contact_id: await person(insuree, { cht, openimis, settings }, orchestrations) };
    record = mapClaimResponse(bytes, { ...options, contact });
  }
  const answer = await send(cht, 'POST', 'api/v2/records', record.body, orchestrations);
  if (answer.status !== 200 || answer.json?.success !== true) throw refused(cht, answer);
  return { status: 201, body: { status: 'delivered', id: answer.json.id, warnings: record.warnings } };
}

/** The CHT person of an insuree. The `_id` is the same every time, so making it again does no harm: CHT answers 409. */
async function person(insuree, { cht, openimis, settings }, orchestrations) {
  const found = await send(openimis, 'GET', `Patient/${insuree}/`, undefined, orchestrations);
  if (found.status !== 200 || found.json?.resourceType !== 'Patient') throw refused(openimis, found);
  const { body, value } = mapPatient(found.json, { settings: settings.patient });
  const made = await send(cht, 'POST', 'api/v1/people', body, orchestrations);
  if (made.json?.ok !== true && made.status !== 409) throw refused(cht, made);
  return value._id;
}

/** The answers of CHT's form to the Communication that openIMIS keeps on the claim. */
export async function feedback(bytes, { openimis, settings }, orchestrations) {
  const { body } = await communication(bytes, { openimis, settings: settings.feedback }, orchestrations);
  const answer = await send(openimis, 'POST', 'Communication/', body, orchestrations);
  // CHT pushes again when our answer got lost on its way.
  const duplicate = answer.json?.issue?.[0]?.details?.text === 'Feedback exists for this claim';
  if (duplicate) return { status: 200, body: { status: 'delivered', duplicate } };
  if (answer.status !== 201 || answer.json?.resourceType !== 'Communication') throw refused(openimis, answer);
  return { status: 201, body: { status: 'delivered', id: answer.json.identifier?.[0]?.value } };
}

/** The feedback, mapped. A CHT contact that was there before the mediator names no insuree: then it is the claim's patient. */
async function communication(bytes, { openimis, settings }, orchestrations) {
  try {
    return mapFeedback(bytes, { settings });
  } catch (error) {
    const issues = error instanceof MappingError ? error.issues : [];
    const isUnnamed = issues.length === 1 && issues[0].code === 'required' && issues[0].expression === 'insureeuuid';
    if (!isUnnamed) throw error;
  }
  // With a stand-in for the insuree it maps, and names the claim as openIMIS does, however CHT spelled it.
  const { value } = mapFeedback(bytes, { settings, insureeUuid: NOBODY });
  const claim = value.about[0].reference.replace('Claim/', '');
  const found = await send(openimis, 'GET', `ClaimResponse/${claim}/`, undefined, orchestrations);
  if (found.status !== 200 || found.json?.resourceType !== 'ClaimResponse') throw refused(openimis, found);
  const insureeUuid = /^Patient\/(.+)$/.exec(found.json.patient?.reference)?.[1];
  return mapFeedback(bytes, { settings, insureeUuid });
}
