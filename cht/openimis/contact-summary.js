// The card on a person's page: the claims, newest first, and what has become of each.
const claims = require('./claims');

const stateOf = (contact, claim, reports, now) => {
  if (claims.answerTo(claim, reports)) {
    return 'answered';
  }
  if (claims.isSettled(claim, reports) || !claims.canBeAsked(contact)) {
    return 'not_reached';
  }
  return claims.expiry(claim) <= now ? 'expired' : 'waiting';
};

/** A household's page gets the reports of all its members: a claim belongs on the page of its patient. */
const isAbout = (contact, report) => {
  const { patient_id, patient_uuid } = report.fields;
  return [patient_id, patient_uuid].some(id => id && [contact._id, contact.patient_id].includes(id));
};

const cards = (contact, reports, now = Date.now()) => {
  const ofContact = reports
    .filter(report => claims.isFirstOfClaim(report, reports) && isAbout(contact, report))
    .sort((one, other) => other.reported_date - one.reported_date);
  return [
    {
      label: 'contact.claims.title',
      appliesIf: () => ofContact.length > 0,
      fields: ofContact.map(claim => ({
        label: [claims.claimCode(claim), claims.claimDate(claim)].filter(Boolean).join(' · '),
        value: `contact.claims.${stateOf(contact, claim, reports, now)}`,
        translate: true,
        width: 12,
        icon: 'icon-openimis-claim',
      })),
    },
  ];
};

module.exports = { cards };
