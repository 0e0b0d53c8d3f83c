/** Any system that sends its schedule by HL7 v2 (SIU, ADT) over MLLP, and perhaps takes bookings the same way. */
import { ALONE, type Capabilities, type CheckResult, type Connector, type ConnectorKind } from '../connector.ts';
import { findUnable } from '../unable.ts';
import { type Hl7v2Config, hl7v2ConfigSchema } from './config.ts';
import { listen } from './listener.ts';
import { changes, find, replayFrom } from './read.ts';
import { createSender } from './sender.ts';
import { answerTo, execute } from './write.ts';

/** A message that was under way when its connection broke is taken or lost at once. */
const SETTLE_MS = 2_000;

export const hl7v2: ConnectorKind<Hl7v2Config> = {
  kind: 'hl7v2',
  displayName: 'HL7 v2 over MLLP',
  type: 'onprem',
  configSchema: hl7v2ConfigSchema,
  // Whoever sends to one port is one system; one that only takes messages is known by where it takes them.
  identityOf: ({ listen, send }) =>
    listen ? `mllp listening on ${listen.port}` : `mllp://${send?.host.toLowerCase()}:${send?.port}`,
  connect,
  listen,
  replayFrom,
};

function connect(config: Hl7v2Config, surroundings = ALONE): Connector {
  const { messages } = surroundings;
  const sender = config.send ? createSender(config.send) : null;
  const capabilities = capabilitiesOf(config);

  async function check(signal: AbortSignal): Promise<CheckResult> {
    // Whether messages arrive is seen with the connection; nothing of ours can try it.
    const takes = config.listen ? [`Takes messages on port ${config.listen.port}.`] : [];
    if (!sender || !config.send) return { ok: true, message: takes.join(' ') };
    const { host, port } = config.send;
    try {
      await sender.check(signal);
      return { ok: true, message: [...takes, `Can connect to ${host}:${port}.`].join(' ') };
    } catch (error) {
      const trouble = `Cannot connect to ${host}:${port}: ${(error as Error).message}.`;
      return { ok: false, message: [...takes, trouble].join(' ') };
    }
  }

  return {
    capabilities,
    check,
    changes: (cursor, signal) => changes(config, messages, cursor, signal),
    async execute(write, signal) {
      const unable = findUnable(capabilities, write);
      if (unable) return unable;
      // Without a sender nothing is possible, and everything has been refused.
      if (!sender) throw new Error('a write passed without a way to send it');
      return execute(config, sender, surroundings, write, signal);
    },
    find: (look) => find(config, messages, look),
    ...(config.send && config.send.answer !== 'commit' && { answerTo: (write) => answerTo(config, messages, write) }),
    close: async () => sender?.close(),
  };
}

function capabilitiesOf({ send }: Hl7v2Config): Capabilities {
  const writes = send !== undefined;
  return {
    createAppointment: writes,
    createPatient: send?.newPatients ?? false,
    // Receivers disagree about what a message without a patient is.
    createBlock: false,
    // A request (SRM) has no place for it.
    confirm: send?.as === 'SIU',
    cancel: writes,
    // HL7 tells of arrivals by ADT, from whoever runs the front desk.
    checkIn: false,
    reschedule: writes,
    changeOperatory: writes,
    changeNote: writes,
    createAlert: false,
    changeAlert: false,
    appointmentsPerTimeslot: 1,
    marker: 'searchable',
    settleMs: SETTLE_MS,
    reportsDeletions: false,
    readsAvailabilities: false,
    // A feed tells what changes, never what there is.
    readsCompletely: [],
  };
}
