module.exports = [...require('./openimis/tasks')];
