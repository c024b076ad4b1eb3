// What a health worker and the supervisor see of the claims. Each claim counts once, by its uuid.
const claims = require('./claims');

const KNOWN_AFTER = 7 * 24 * 60 * 60 * 1000;

const perClaim = {
  appliesTo: 'reports',
  appliesToType: [claims.CLAIM_FORM],
  idType: (contact, report) => claims.claimUuid(report),
  icon: 'icon-openimis-claim',
  subtitle_translation_key: 'targets.this_month.subtitle',
  aggregate: true,
};

module.exports = [
  {
    ...perClaim,
    id: 'claims-feedback-in-time',
    type: 'percent',
    goal: 80,
    translation_key: 'targets.claims_feedback.in_time',
    appliesIf: (contact, report) => claims.isFirstOfClaim(report, contact.reports),
    passesIf: (contact, report) => {
      const answer = claims.answerTo(report, contact.reports);
      return !!answer && answer.reported_date < claims.expiry(report);
    },
    // A claim counts in the month in which it came in.
    date: 'reported',
  },
  {
    ...perClaim,
    id: 'claims-feedback-expired',
    type: 'count',
    goal: -1,
    translation_key: 'targets.claims_feedback.expired',
    // For the supervisor: in the aggregate, not on the health worker's own page.
    visible: false,
    appliesIf: (contact, report) => claims.canBeAsked(contact.contact) &&
      claims.isFirstOfClaim(report, contact.reports) && !claims.isSettled(report, contact.reports) && claims.expiry(report) <= Utils.now().getTime(),
    // CHT looks at a person anew when something changes, else after a week: by then it is known that the task has expired.
    // With the day of expiry itself, what expires in a month's last week would count in no month.
    date: (contact, report) => claims.expiry(report) + KNOWN_AFTER,
  },
];
