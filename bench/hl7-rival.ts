/** A process of its own: @medplum/hl7's server, which parses and acknowledges every message and keeps none. */
import { type Hl7MessageEvent, Hl7Server } from '@medplum/hl7';

const server = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }: Hl7MessageEvent) => connection.send(message.buildAck()));
});
await server.start(Number(process.argv[2]));
process.send?.('ready');
process.once('disconnect', () => process.exit());
