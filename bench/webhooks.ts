/**
 * How long news take, through `openchair serve` with its demo practice: from a change in the HRS, and from a booking
 * that the API has accepted, to the webhook that tells of it.
 */
import pg from 'pg';
import { bookSlot, openSlots } from '../test/harness/booking.ts';
import { type Body, type DemoProgram, startDemoProgram } from '../test/harness/program.ts';
import { type ReceivedRequest, type Receiver, startReceiver } from '../test/harness/receiver.ts';
import { type Figure, percentile } from './figure.ts';
import { residentMb } from './practice.ts';

const ROUNDS = 3;
/** Enough for a 95th percentile that is not the slowest one. */
const NEWS_PER_ROUND = 25;
/** Prime, and so in no step with the cycle. */
const CHANGE_EVERY_MS = 211;
/** As fast as an HRS of this latency can take bookings, with room to spare. */
const BOOKING_EVERY_MS = 307;
const HRS_LATENCY_MS = 200;
const PROMISED_ABOVE_CYCLE_MS = 1_000;
const PROMISED_ABOVE_HRS_MS = 500;
/** Nothing but the HRS is measured by these, and that is always the same. */
const STRAIGHT_WRITES = 5;
/** In so many days the demo has enough open slots. */
const SLOT_DAYS = 40;
/** News that are later than this are lost. */
const LOST_AFTER_MS = 20_000;

export async function measure(): Promise<Figure[]> {
  const program = await startDemoProgram({ LOG_LEVEL: 'warn' });
  const receiver = await startReceiver();
  try {
    await subscribe(program, receiver);
    const cycleMs = await readCycleMs(program);
    const figures = [await measureBookings(program, receiver)];
    figures.push(await measureChanges(program, receiver, 'change in the HRS → webhook, with its notices', cycleMs));
    const { body } = await program.sandbox('GET', '/v1/hooks');
    for (const { id } of body.items ?? body) await program.sandbox('DELETE', `/v1/hooks/${id}`);
    figures.push(await measureChanges(program, receiver, 'change in the HRS → webhook, by cycle alone', cycleMs));
    const memory = residentMb(program.process.pid as number);
    figures.push({ name: 'memory of serve after all this', unit: 'MB', rounds: [memory], target: { atMost: 400 } });
    return figures;
  } finally {
    await receiver.close();
    await program.end();
  }
}

async function subscribe({ api, demo }: DemoProgram, receiver: Receiver): Promise<void> {
  const endpoint = await api('POST', '/webhook_endpoints', { target_url: `${receiver.url}/hook` });
  const path = `/webhook_endpoints/${endpoint.body.data.id}/webhook_subscriptions?subdomain=${demo.subdomain}`;
  for (const event of ['appointment_insertion', 'appointment_updated']) {
    const { status } = await api('POST', path, { resource_type: 'Appointment', event });
    if (status !== 201) throw new Error(`a subscription was answered with ${status}`);
  }
}

async function readCycleMs({ database }: DemoProgram): Promise<number> {
  const client = new pg.Client(database.connection);
  await client.connect();
  try {
    await client.query("select set_config('openchair.institution', '*', false)");
    return (await client.query('select sync_cycle_ms from connection')).rows[0].sync_cycle_ms;
  } finally {
    await client.end();
  }
}

/** Notes of visits are changed at the front desk; each note is told apart by its number. */
async function measureChanges(
  program: DemoProgram,
  receiver: Receiver,
  name: string,
  cycleMs: number,
): Promise<Figure> {
  const { body } = await program.sandbox('GET', `/v1/visits?limit=${NEWS_PER_ROUND}`);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const delaysMs = await Promise.all(
      body.items.map(async ({ id }: Body, n: number) => {
        await after(n * CHANGE_EVERY_MS);
        const note = `${name} ${round}/${n}`;
        const startedMs = Date.now();
        const { status } = await program.sandbox('PATCH', `/desk/visits/${id}`, { note });
        if (status !== 200) throw new Error(`the front desk answered ${status}`);
        const { receivedAtMs } = await hear(receiver, (appointment) => appointment.note === note);
        return receivedAtMs - startedMs;
      }),
    );
    rounds.push(percentile(delaysMs, 0.95));
  }
  return { name: `${name}, p95`, unit: 'ms', rounds, target: { atMost: cycleMs + PROMISED_ABOVE_CYCLE_MS } };
}

/** The rival is the HRS itself: the same write, and the look that proves it, sent straight to it. */
async function measureBookings(program: DemoProgram, receiver: Receiver): Promise<Figure> {
  const slots = await openSlots(program, SLOT_DAYS);
  const nextSlot = () => {
    const slot = slots.shift();
    if (!slot) throw new Error('the demo has too few open slots');
    return slot;
  };
  const rounds: number[] = [];
  const rivalRounds: number[] = [];
  await program.sandbox('POST', '/faults', { fault: 'slow', match: 'write', ms: HRS_LATENCY_MS });
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      let foreignId = '';
      const delaysMs = await Promise.all(
        Array.from({ length: NEWS_PER_ROUND }, async (_, n) => {
          await after(n * BOOKING_EVERY_MS);
          const { status, body } = await bookSlot(program, nextSlot());
          const acceptedMs = Date.now();
          if (status !== 201) throw new Error(`a booking was answered with ${status}: ${body.error}`);
          const { id } = body.data.appt;
          const told = await hear(receiver, (appointment) => appointment.id === id && appointment.foreign_id !== null);
          foreignId = told.appointment.foreign_id;
          return told.receivedAtMs - acceptedMs;
        }),
      );
      rounds.push(percentile(delaysMs, 0.95));
      const straightMs: number[] = [];
      for (let n = 0; n < STRAIGHT_WRITES; n += 1) straightMs.push(await writeStraight(program, foreignId, nextSlot()));
      rivalRounds.push(percentile(straightMs, 0.95));
    }
  } finally {
    await program.sandbox('DELETE', '/faults');
  }
  return {
    name: 'booking accepted → written → webhook, p95',
    unit: 'ms',
    rounds,
    target: { atMost: HRS_LATENCY_MS + PROMISED_ABOVE_HRS_MS },
    rival: { name: 'the HRS alone', rounds: rivalRounds },
  };
}

/** A visit like the one given, at another time. */
async function writeStraight({ sandbox }: DemoProgram, likeId: string, slot: Body): Promise<number> {
  const { body: like } = await sandbox('GET', `/v1/visits/${likeId}`);
  const { site_id, patient_id, practitioner_id } = like;
  const visit = { site_id, patient_id, practitioner_id, start: slot.time, end: slot.end_time };
  const startedMs = Date.now();
  const { status, body } = await sandbox('POST', '/v1/visits', visit);
  if (status !== 201) throw new Error(`the sandbox answered ${status}: ${body.message}`);
  await sandbox('GET', `/v1/visits/${body.id}`);
  return Date.now() - startedMs;
}

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Told {
  appointment: Body;
  receivedAtMs: number;
}

/** Each body is parsed once, however many wait for theirs. */
const parsed = new WeakMap<ReceivedRequest, Body>();

function appointmentIn(request: ReceivedRequest): Body {
  if (!parsed.has(request)) parsed.set(request, JSON.parse(request.body.toString()).data.appointment);
  return parsed.get(request);
}

/** The first webhook about an appointment of which `test` holds. Throws when none comes. */
async function hear(receiver: Receiver, test: (appointment: Body) => boolean): Promise<Told> {
  const find = (requests: ReceivedRequest[]) => requests.find((request) => test(appointmentIn(request)));
  await receiver.waitFor((requests) => find(requests) !== undefined, LOST_AFTER_MS);
  const request = find(receiver.requests) as ReceivedRequest;
  return { appointment: appointmentIn(request), receivedAtMs: request.receivedAtMs };
}
