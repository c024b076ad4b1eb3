// An OpenHIM mediator with openimis-mediator's mapping. It stores nothing: see README.md.
import { app } from './app.js';
import { configuration } from './config.js';
import { connect } from './openhim.js';

let config;
try {
  config = configuration(process.env);
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
const server = app(config).listen(config.port, config.host, (error) => {
  if (error) throw error;
  const { port } = server.address();
  console.log(`listening on port ${port}`);
  const disconnect = config.openhim ? connect(config.openhim, config.client, port) : () => {};
  // What is under way is answered; nothing new is taken.
  process.once('SIGTERM', () => {
    disconnect();
    server.close();
    server.closeIdleConnections(); // Node 18 would wait for them
  });
});
