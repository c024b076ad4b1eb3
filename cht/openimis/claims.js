// What a claim's report and the answers to it say. Task, targets and contact summary all look here, so that they agree.

/** Code of the form that the mediator's record is stored as (`mapping.claim_response.form`). */
const CLAIM_FORM = 'OP';
const FEEDBACK_FORM = 'claims_feedback';

/** The task is shown from the day on which the claim comes in; it is due after a week and gone after two. */
const DUE_DAYS = 7;
const LAST_DAY = 14;

/** With these reasons the task stays: another day may be better. The form says so, too. */
const TRY_AGAIN = ['not_home'];

const at = (report, ...path) => path.reduce((value, name) => (value ? value[name] : undefined), report && report.fields);

/** CHT also stores records that its own checks refuse, with errors in them. */
const isSound = report => !report.deleted && !(report.errors && report.errors.length);

const claimUuid = report => at(report, 'op_claim_uuid') || '';
const claimCode = report => at(report, 'op_claim_id') || '';

/** The day as the claim's record has it, in the calendar of the deployment: 2082-05-09. */
const claimDate = report => {
  const parts = [at(report, 'op_year'), at(report, 'op_month'), at(report, 'op_day')];
  return parts.every(Boolean) ? parts.map(part => String(part).padStart(2, '0')).join('-') : '';
};

/** Nobody is sent to a person who has died, or whom the deployment has muted. */
const canBeAsked = person => !!person && !person.date_of_death && !person.muted;

const isClaim = report => report.form === CLAIM_FORM && isSound(report) && !!claimUuid(report);

/**
 * Whether the report is the claim's first one. CHT does not recognise doubles, and after a lost answer the mediator may
 * have had to send a claim twice: one task is enough.
 */
const isFirstOfClaim = (report, reports) => isClaim(report) && !reports.some(other =>
  other._id !== report._id && isClaim(other) && claimUuid(other) === claimUuid(report) &&
  (other.reported_date < report.reported_date || (other.reported_date === report.reported_date && other._id < report._id)));

/** The forms that were filled in for this claim, and for no other one of the patient. */
const feedbackOf = (claim, reports) => reports.filter(report =>
  report.form === FEEDBACK_FORM && isSound(report) && at(report, 'inputs', 'op_claim_uuid') === claimUuid(claim));

const isAnswer = feedback => at(feedback, 'visit', 'reached') === 'yes';
const closesTask = feedback => isAnswer(feedback) || (at(feedback, 'visit', 'reached') === 'no' &&
  !TRY_AGAIN.includes(at(feedback, 'visit', 'not_reached_reason')));

/** The answers, if there are some. */
const answerTo = (claim, reports) => feedbackOf(claim, reports).find(isAnswer);
/** Whether nobody has to ask any more. */
const isSettled = (claim, reports) => feedbackOf(claim, reports).some(closesTask);

/** The first moment after the task's last day. */
const expiry = claim => {
  const day = new Date(claim.reported_date);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + LAST_DAY + 1).getTime();
};

module.exports = {
  CLAIM_FORM, FEEDBACK_FORM, DUE_DAYS, LAST_DAY,
  claimUuid, claimCode, claimDate, canBeAsked, isClaim, isFirstOfClaim, answerTo, isSettled, expiry,
};
