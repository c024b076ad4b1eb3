module.exports = [...require('./openimis/targets')];
