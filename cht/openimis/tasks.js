// One task a claim: ask the insured person about it.
const claims = require('./claims');

/** Who has this permission asks: the health workers, and not the supervisors, who see the same people. */
const MAY_ASK = 'can_ask_about_claims';

module.exports = [
  {
    name: 'ask-about-claim',
    icon: 'icon-openimis-claim',
    title: 'task.claims_feedback.title',
    // Two claims of one person are told apart by their codes.
    contactLabel: (contact, report) => `${contact.contact.name} · ${claims.claimCode(report)}`,
    appliesTo: 'reports',
    appliesToType: [claims.CLAIM_FORM],
    appliesIf: (contact, report) => cht.v1.hasPermissions(MAY_ASK) &&
      claims.canBeAsked(contact.contact) && claims.isFirstOfClaim(report, contact.reports),
    resolvedIf: (contact, report) => claims.isSettled(report, contact.reports),
    events: [
      { id: 'ask', days: claims.DUE_DAYS, start: claims.DUE_DAYS, end: claims.LAST_DAY - claims.DUE_DAYS },
    ],
    actions: [
      {
        type: 'report',
        form: claims.FEEDBACK_FORM,
        label: 'task.claims_feedback.title',
        modifyContent: (content, contact, report) => {
          content.op_claim_id = claims.claimCode(report);
          content.op_claim_uuid = claims.claimUuid(report);
          content.op_claim_date = claims.claimDate(report);
          // The mediator writes it on the contacts that it makes.
          content.openimis_id = contact.contact.openimis_id || '';
        },
      },
    ],
  },
];
