/** A practice whose scheduler speaks HL7 v2: it tells us by MLLP what happens, and takes what we write the same way. */
import { createServer } from 'node:net';
import type { Budget } from '../../src/connectors/connector.ts';
import { hl7v2 } from '../../src/connectors/hl7v2/connector.ts';
import { formatTs } from '../../src/connectors/hl7v2/time.ts';
import { type Fault, type FeedFault, startScheduler } from '../peers/hl7-scheduler.ts';
import type { ArmableFault, Bench, FreeTime } from './bench.ts';
import { configOf, keepMessages } from './hl7v2-samples.ts';

const TIMEOUT_MS = 250;
const SLOT_MS = 30 * 60_000;
/** 2 January 2040, 09:00 in New York: never past. */
const FIRST_SLOT_MS = Date.parse('2040-01-02T14:00:00.000Z');
/** Far more than a write has messages. */
const EVERY = 50;

const WORK: Partial<Record<ArmableFault, Fault>> = {
  cutBeforeWork: 'drop',
  lostReply: 'lost',
  yesWithoutWork: 'lie',
  maintenanceForWork: 'html',
  halfReply: 'half',
  replyCutOff: 'cut off',
  silence: 'silent',
  lateWork: 'late work',
  overtakenWork: 'late work',
  repeatedWork: 'repeat',
  slowReply: 'late',
};
const FEED: Partial<Record<ArmableFault, FeedFault>> = {
  shortPage: 'cut',
  repeatedPage: 'repeated',
  reorderedPage: 'reversed',
};

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startHl7v2Bench(answer: 'acknowledgment' | 'echo', budget: Budget): Promise<Bench> {
  const scheduler = await startScheduler();
  const config = configOf({
    listen: { port: await freePort() },
    send: {
      ...{ host: '127.0.0.1', port: scheduler.port, responseTimeoutMs: TIMEOUT_MS },
      ...{ answer, newPatients: true, takenTexts: ['Taken'] },
    },
  });
  const messages = keepMessages(config);
  const connector = hl7v2.connect(config, { messages, budget });
  const listener = await hl7v2.listen?.(config, {
    receive: async (message) => {
      const before = messages.all.length;
      return messages.keep(message, 'in').position > before ? 'stored' : 'repeated';
    },
    warn: () => {},
  });
  scheduler.feedTo(config.listen?.port ?? null);

  let slots = 0;
  let numbers = 0;
  let sent = 0;
  const idOf = (foreignId: string) => foreignId.split('@')[0] as string;
  const fillerOf = (foreignId: string) =>
    scheduler.entries.find(({ filler, placer }) => filler === idOf(foreignId) || placer.startsWith(foreignId))
      ?.filler as string;
  const pidOf = (id: string, lastName: string) => `PID|1||${id}^^^SCHED^MR||${lastName}^Pat`;
  const timesOf = ({ startAt, endAt }: FreeTime) => ({ start: formatTs(startAt, 'UTC'), end: formatTs(endAt, 'UTC') });

  function takeFreeTime(): FreeTime {
    const startMs = FIRST_SLOT_MS + slots++ * SLOT_MS;
    return {
      ...{ locationForeignId: 'main', providerForeignId: '7', operatoryForeignId: 'Chair 1' },
      startAt: new Date(startMs).toISOString(),
      endAt: new Date(startMs + SLOT_MS).toISOString(),
    };
  }

  async function addAppointment(filler: string, time: FreeTime, patientForeignId: string): Promise<string> {
    await scheduler.tell('S12', {
      ...{ filler, ...timesOf(time), status: 'Booked', provider: '7^Okafor^Nina' },
      ...{ patient: `${idOf(patientForeignId)}^^^SCHED^MR`, room: time.operatoryForeignId ?? '' },
    });
    return `${filler}@SCHED`;
  }
  // Rooms are known once an appointment was in them.
  await addAppointment('1', { ...takeFreeTime(), operatoryForeignId: 'Chair 2' }, '1@SCHED');
  await addAppointment('2', takeFreeTime(), '1@SCHED');

  return {
    connector: {
      ...connector,
      // What the scheduler tells of a write has arrived when the write is over, whatever became of it.
      execute: (write, signal) => connector.execute(write, signal).finally(() => scheduler.idle()),
    },
    timeoutMs: TIMEOUT_MS,
    morePatientsThanFit: 100,
    faults: {
      arm(fault, at) {
        const before = scheduler.hits();
        const work = WORK[fault];
        const feed = FEED[fault];
        if (work) scheduler.fail(...(at === 'every' ? Array(EVERY).fill(work) : [...Array(at).fill('none'), work]));
        else if (feed) scheduler.failFeed(feed);
        else throw new Error(`cannot be made over MLLP: ${fault}`);
        return {
          hits: () => scheduler.hits() - before,
          get done() {
            return scheduler.idle();
          },
        };
      },
      meanwhile() {
        throw new Error('nothing is asked of the HRS');
      },
      clear: () => scheduler.calm(),
      turnOff: () => scheduler.turnOff(),
      turnOn: () => scheduler.turnOn(),
      takeSent() {
        const count = scheduler.received.length - sent;
        sent = scheduler.received.length;
        return count;
      },
    },
    desk: {
      async addPatients(lastNames) {
        const ids: string[] = [];
        for (const lastName of lastNames) {
          const id = `P${++numbers}`;
          await scheduler.tellOf('A28', pidOf(id, lastName));
          ids.push(`${id}@SCHED`);
        }
        return ids;
      },
      renamePatient: async (foreignId, lastName) =>
        void (await scheduler.tellOf('A08', pidOf(idOf(foreignId), lastName))),
      takeFreeTime: async () => takeFreeTime(),
      addAppointment: (time, patientForeignId) => addAppointment(`V${++numbers}`, time, patientForeignId),
      cancelAppointment: async (foreignId) =>
        void (await scheduler.tell('S15', { filler: fillerOf(foreignId), status: 'Cancelled' })),
      deleteAppointment: async (foreignId) =>
        void (await scheduler.tell('S17', { filler: fillerOf(foreignId), status: 'Cancelled' })),
      addAppointmentAgain: async (foreignId, time, patientForeignId) =>
        void (await addAppointment(fillerOf(foreignId), time, patientForeignId)),
      async countByMarker(kind, marker) {
        await scheduler.idle();
        const names =
          kind === 'patient' ? [...scheduler.patients.keys()] : scheduler.entries.map(({ placer }) => placer);
        return names.filter((name) => name.startsWith(marker)).length;
      },
      otherOperatoryForeignId: 'Chair 2',
    },
    async close() {
      await connector.close();
      await scheduler.close();
      await listener?.close();
    },
  };
}
