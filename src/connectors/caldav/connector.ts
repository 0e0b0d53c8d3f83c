/** One calendar and one address book on any CalDAV server: for somebody who works alone and keeps no other system. */
import { canonicalAddress } from '../address.ts';
import {
  ALONE,
  type Capabilities,
  type CheckResult,
  type Connector,
  type ConnectorKind,
  type Purpose,
  type Surroundings,
} from '../connector.ts';
import { findUnable } from '../unable.ts';
import { caldavClient } from './client.ts';
import { type CaldavConfig, caldavConfigSchema } from './config.ts';
import { changes, find } from './read.ts';
import { execute } from './write.ts';

/** A server may work on after we hung up; as long again as we wait is taken as its limit, and never less than this. */
const MIN_SETTLE_MS = 5_000;

export const caldav: ConnectorKind<CaldavConfig> = {
  kind: 'caldav',
  displayName: 'CalDAV calendar',
  type: 'cloud',
  configSchema: caldavConfigSchema,
  identityOf: ({ calendarUrl }) => canonicalAddress(calendarUrl),
  connect,
};

function connect(config: CaldavConfig, { budget }: Surroundings = ALONE): Connector {
  const clientFor = (purpose: Purpose) => caldavClient(config, budget, purpose);
  const writing = clientFor('write');

  let last: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  }

  const capabilities: Capabilities = {
    createAppointment: true,
    createPatient: true,
    createBlock: true,
    confirm: true,
    cancel: true,
    // An event says nothing of who arrived, and has no room in our sense.
    checkIn: false,
    reschedule: true,
    changeOperatory: false,
    changeNote: true,
    createAlert: false,
    changeAlert: false,
    appointmentsPerTimeslot: 1,
    marker: 'unique',
    settleMs: Math.max(MIN_SETTLE_MS, config.requestTimeoutMs),
    reportsDeletions: true,
    readsAvailabilities: false,
    readsCompletely: ['location', 'provider', 'patient', 'appointment'],
  };

  async function check(signal: AbortSignal): Promise<CheckResult> {
    try {
      for (const [of, type, what] of [
        ['calendar', 'calendar', 'calendar'],
        ['addressBook', 'addressbook', 'address book'],
      ] as const) {
        if (!(await writing.typeOf(of, signal)).includes(type)) {
          return { ok: false, message: `There is no ${what} at that address.` };
        }
        await writing.sync(of, null, signal);
      }
      return { ok: true, message: 'Reached the calendar and the address book, and read from both.' };
    } catch (error) {
      return { ok: false, message: `Cannot read from the calendar server: ${(error as Error).message}.` };
    }
  }

  return {
    capabilities,
    check,
    changes: (cursor, signal) => changes(clientFor(cursor === null ? 'far' : 'near'), config, cursor, signal),
    execute: async (write, signal) =>
      findUnable(capabilities, write) ?? execute({ client: writing, config, inTurn }, write, signal),
    find: (look, signal) => find(writing, config, look, signal),
    close: async () => {},
  };
}
