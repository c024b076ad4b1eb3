const openimis = require('./openimis/contact-summary');

module.exports = {
  fields: [
    { appliesToType: 'person', label: 'contact.age', value: contact.date_of_birth, width: 4, filter: 'age' },
    { appliesToType: 'person', label: 'contact.phone', value: contact.phone, width: 4, filter: 'phone' },
    { appliesToType: 'person', label: 'contact.chf_id', value: contact.chf_id, width: 4 },
    { label: 'contact.parent', value: lineage, filter: 'lineage' },
  ],
  cards: [...openimis.cards(contact, reports)],
  context: {},
};
