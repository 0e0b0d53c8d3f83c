/** Who does something while everything breaks: apps that book, a front desk, whatever makes a practice fail, a killer. */
import { randomUUID } from 'node:crypto';
import { checkAnswer } from '../harness/contract.ts';
import type { Body, Demo, Reply } from '../harness/program.ts';
import type { Fleet } from './fleet.ts';

export type Random = () => number;

/** What the run remembers, to be held against what is true in the end. */
export interface Memory {
  /** Ids that answers to one Idempotency-Key have named. */
  idsByKey: Map<string, Set<number>>;
  /** How often what was answered or done. */
  counts: Map<string, number>;
  /** Visits that the desk has made, and may therefore erase. */
  deskVisits: number[];
  deskBlocks: number[];
}

export interface Stage {
  fleet: Fleet;
  demo: Demo;
  memory: Memory;
  /** False when the time is up. */
  goesOn(): boolean;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** A client that gets no answer for so long goes home; what became of its booking is judged all the same. */
const PATIENCE_MS = 20_000;
const REQUEST_MS = 8_000;
/** The demo's own visits. */
const FIRST_VISIT = 50_001;
const DEMO_VISITS = 350;
const FIRST_PATIENT = 1_001;
const DEMO_PATIENTS = 80;

export const pick = <T>(random: Random, list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const between = (random: Random, from: number, to: number) => Math.floor(from + random() * (to - from + 1));

export function count({ counts }: Memory, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

async function request(url: string, method: string, headers: Record<string, string>, body?: unknown): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_MS),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

/** Asks whichever API process is there, again and again under one key, until one answers; null when none does. */
async function ask({ fleet, demo }: Stage, random: Random, method: string, path: string, body?: unknown, key?: string) {
  const deadlineMs = Date.now() + PATIENCE_MS;
  // v2 knows no moves.
  const version = method === 'PATCH' ? 'v3.0.0' : 'v2';
  const headers = { authorization: demo.api_key, 'nex-api-version': version, ...(key && { 'idempotency-key': key }) };
  while (Date.now() < deadlineMs) {
    const urls = fleet.urls();
    if (urls.length > 0) {
      const reply = await request(pick(random, urls) + path, method, headers, body).catch(() => null);
      if (reply && reply.status < 500 && reply.status !== 409) {
        checkAnswer(
          { method, path, headers },
          { ...reply, text: reply.body === null ? '' : JSON.stringify(reply.body) },
        );
        return reply;
      }
    }
    await sleep(100);
  }
  return null;
}

/** Books, moves, confirms and cancels as an app would that knows nothing of what goes on, and puts alerts on patients. */
export async function actAsApp(stage: Stage, random: Random): Promise<void> {
  const { demo, memory } = stage;
  const booked: Booked[] = [];
  const alerts: string[] = [];
  const of = `subdomain=${demo.subdomain}`;
  while (stage.goesOn()) {
    const chance = random();
    if (chance < 0.1) {
      await alertAsApp(stage, random, alerts);
    } else if (chance < 0.5 || booked.length === 0) {
      const appt = await composeBooking(stage, random);
      if (!appt) continue;
      const key = randomUUID();
      const path = `/appointments?${of}&location_id=${demo.location_id}`;
      const reply = await ask(stage, random, 'POST', path, { appt }, key);
      const { provider_id: providerId } = appt;
      if (reply?.status === 201) remember(stage, key, { id: reply.body.data.appt.id, providerId }, booked);
      count(memory, `book ${reply?.status ?? 'unanswered'}`);
      // As after an answer that was lost: the same key, the same booking.
      if (reply && random() < 0.2) {
        const again = await ask(stage, random, 'POST', path, { appt }, key);
        if (again?.status === 201) remember(stage, key, { id: again.body.data.appt.id, providerId }, booked);
      }
    } else {
      const { id, providerId } = pick(random, booked);
      const change =
        chance < 0.75
          ? await composeMove(stage, random, providerId)
          : chance < 0.87
            ? { confirmed: true }
            : { cancelled: true };
      if (!change) continue;
      const reply = await ask(stage, random, 'PATCH', `/appointments/${id}?${of}`, { appt: change }, randomUUID());
      count(memory, `${Object.keys(change)[0]} ${reply?.status ?? 'unanswered'}`);
    }
    await sleep(between(random, 50, 400));
  }
}

interface Booked {
  id: number;
  providerId: number;
}

function remember({ memory }: Stage, key: string, appt: Booked, booked: Booked[]): void {
  const ids = memory.idsByKey.get(key) ?? new Set();
  memory.idsByKey.set(key, ids.add(appt.id));
  if (!booked.some(({ id }) => id === appt.id)) booked.push(appt);
}

/** Makes an alert, or disables or enables one that this app has made. */
async function alertAsApp(stage: Stage, random: Random, alerts: string[]): Promise<void> {
  const { demo, memory } = stage;
  const of = `subdomain=${demo.subdomain}`;
  if (alerts.length === 0 || random() < 0.5) {
    const path = `/patients/${pick(random, demo.patient_ids)}/alerts`;
    const reply = await ask(stage, random, 'POST', `${path}?${of}`, { patient_alert: { note: 'chaos' } }, randomUUID());
    if (reply?.status === 201) alerts.push(`${path}/${reply.body.data.id}`);
    count(memory, `alert ${reply?.status ?? 'unanswered'}`);
  } else {
    const body = { patient_alert: { disabled: random() < 0.6 } };
    const reply = await ask(stage, random, 'PATCH', `${pick(random, alerts)}?${of}`, body, randomUUID());
    count(memory, `alert change ${reply?.status ?? 'unanswered'}`);
  }
}

async function findSlot(stage: Stage, random: Random, providerId: number): Promise<Body | null> {
  const { demo } = stage;
  const startDate = new Date(Date.now() + between(random, 1, 20) * DAY_MS).toISOString().slice(0, 10);
  const where = `subdomain=${demo.subdomain}&lids[]=${demo.location_id}&pids[]=${providerId}`;
  const found = await ask(
    stage,
    random,
    'GET',
    `/appointment_slots?${where}&start_date=${startDate}&days=7&slot_length=30`,
  );
  const slots: Body[] = found?.body.data?.[0]?.slots ?? [];
  return slots.length === 0 ? null : pick(random, slots);
}

async function composeMove(stage: Stage, random: Random, providerId: number): Promise<Body | null> {
  const slot = await findSlot(stage, random, providerId);
  if (!slot) return null;
  const change = { start_time: slot.time, end_time: slot.end_time };
  return random() < 0.5 ? change : { ...change, operatory_id: slot.operatory_id, note: `moved ${slot.time}` };
}

async function composeBooking(stage: Stage, random: Random): Promise<Body | null> {
  const { demo } = stage;
  const providerId = pick(random, demo.provider_ids);
  const slot = await findSlot(stage, random, providerId);
  if (!slot) return null;
  const time = {
    provider_id: providerId,
    operatory_id: slot.operatory_id,
    start_time: slot.time,
    end_time: slot.end_time,
  };
  const chance = random();
  if (chance < 0.1) return { ...time, unavailable: true, note: 'chaos' };
  const patientId = chance < 0.25 ? await makePatient(stage, random) : pick(random, demo.patient_ids);
  return patientId === null ? null : { ...time, patient_id: patientId };
}

async function makePatient(stage: Stage, random: Random): Promise<number | null> {
  const { demo } = stage;
  const path = `/patients?subdomain=${demo.subdomain}&location_id=${demo.location_id}`;
  const name = randomUUID()
    .replaceAll(/[^a-f]/g, '')
    .slice(0, 8);
  const patient = {
    first_name: 'Chaos',
    last_name: `Q${name}`,
    email: `${randomUUID()}@example.com`,
    bio: { date_of_birth: '1990-02-03', phone_number: '2125550177', gender: 'Other' },
  };
  const body = { provider: { provider_id: demo.provider_ids[0] }, patient };
  const reply = await ask(stage, random, 'POST', path, body, randomUUID());
  count(stage.memory, `patient ${reply?.status ?? 'unanswered'}`);
  return reply?.status === 201 ? reply.body.data.user.id : null;
}

const DESK_STEPS = ['confirm', 'unconfirm', 'check-in', 'complete', 'cancel', 'no-show', 'delete', 'restore'];

/** What staff do; refusals are theirs to live with. */
export async function actAsDesk(stage: Stage, random: Random): Promise<void> {
  const { fleet, memory } = stage;
  const desk = async (method: string, path: string, body: unknown) => {
    const reply = await request(`${fleet.sandboxUrl()}/desk${path}`, method, {}, body).catch(() => null);
    count(memory, `desk ${reply ? (reply.status < 300 ? 'done' : 'refused') : 'unanswered'}`);
    return reply && reply.status < 300 ? reply.body : null;
  };
  const anyVisit = () => FIRST_VISIT + between(random, 0, DEMO_VISITS + memory.idsByKey.size - 1);
  const place = () => {
    const startMs =
      Math.floor(Date.now() / (10 * MINUTE_MS)) * 10 * MINUTE_MS + between(random, 144, 4_000) * 10 * MINUTE_MS;
    return {
      practitioner_id: between(random, 11, 15),
      start: new Date(startMs).toISOString(),
      end: new Date(startMs + 30 * MINUTE_MS).toISOString(),
    };
  };
  const erase = (ids: number[], collection: string) => {
    const [id] = ids.splice(Math.floor(random() * ids.length), 1);
    return id === undefined ? null : desk('DELETE', `/${collection}/${id}`, undefined);
  };
  while (stage.goesOn()) {
    const chance = random();
    if (chance < 0.45) await desk('POST', `/visits/${anyVisit()}/${pick(random, DESK_STEPS)}`, {});
    else if (chance < 0.6) {
      const { start, end } = place();
      await desk('POST', `/visits/${anyVisit()}/move`, { start, end });
    } else if (chance < 0.7) await desk('PATCH', `/visits/${anyVisit()}`, { note: `note ${between(random, 0, 9)}` });
    else if (chance < 0.8) {
      const patient_id = FIRST_PATIENT + between(random, 0, DEMO_PATIENTS - 1);
      const made = await desk('POST', '/visits', { site_id: 1, patient_id, ...place() });
      if (made) memory.deskVisits.push(made.id);
    } else if (chance < 0.85) await erase(memory.deskVisits, 'visits');
    else if (chance < 0.9) {
      const made = await desk('POST', '/blocks', { site_id: 1, ...place(), reason: 'chaos' });
      if (made) memory.deskBlocks.push(made.id);
    } else if (chance < 0.94) await erase(memory.deskBlocks, 'blocks');
    else if (chance < 0.99)
      await desk('PATCH', `/patients/${FIRST_PATIENT + between(random, 0, DEMO_PATIENTS - 1)}`, {
        phone_home: '2125550100',
      });
    else await desk('POST', '/rebuild-feed', {});
    await sleep(between(random, 30, 250));
  }
}

/**
 * Each with the most it strikes and, where that counts, the longest it takes: work that is done later than a
 * connector believes possible cannot be found by anybody.
 */
const FAULTS: { fault: string; match: string[]; times: number; ms?: [number, number]; reasons?: string[] }[] = [
  { fault: 'off', match: ['any', 'write', 'read'], times: 6 },
  { fault: 'hang', match: ['write', 'read'], times: 1 },
  { fault: 'slow', match: ['any', 'write'], times: 3, ms: [200, 3_000] },
  { fault: 'slow_reply', match: ['write', 'any'], times: 2, ms: [500, 6_000] },
  { fault: 'error', match: ['any', 'write'], times: 4 },
  { fault: 'html', match: ['any', 'write'], times: 3 },
  { fault: 'unauthorized', match: ['any', 'write'], times: 2 },
  { fault: 'rate_limit', match: ['any', 'write'], times: 2 },
  { fault: 'refuse', match: ['write'], times: 1, reasons: ['room_taken', 'chair_broken'] },
  { fault: 'lie_ok', match: ['write'], times: 4 },
  { fault: 'wrong_record', match: ['write'], times: 1 },
  { fault: 'lose_reply', match: ['write'], times: 3 },
  { fault: 'late_work', match: ['write'], times: 2, ms: [100, 1_500] },
  { fault: 'error_after_work', match: ['write'], times: 3 },
  { fault: 'nonsense', match: ['any', 'write'], times: 2 },
  { fault: 'truncate_body', match: ['any', 'write'], times: 3 },
  { fault: 'cut_body', match: ['any', 'write'], times: 3 },
  { fault: 'truncate_pages', match: ['list', 'changes'], times: 2 },
  { fault: 'repeat_pages', match: ['list', 'changes'], times: 2 },
  { fault: 'reorder_pages', match: ['list', 'changes'], times: 2 },
  { fault: 'empty_lists', match: ['list', 'changes'], times: 2 },
  { fault: 'clock_skew', match: ['any'], times: 1, ms: [-120_000, 120_000] },
];

/** Lets the practice fail in one way after the other, with moments of peace in between. */
export async function actAsFaults(stage: Stage, random: Random): Promise<void> {
  while (stage.goesOn()) {
    if (random() < 0.15) {
      await request(`${stage.fleet.sandboxUrl()}/faults`, 'DELETE', {}).catch(() => null);
    } else {
      const { fault, match, times, ms, reasons } = pick(random, FAULTS);
      const order = {
        fault,
        match: pick(random, match),
        ...(fault !== 'clock_skew' && { times: between(random, 1, times) }),
        ...(ms && { ms: between(random, ...ms) }),
        ...(reasons && { reason: pick(random, reasons) }),
      };
      const reply = await request(`${stage.fleet.sandboxUrl()}/faults`, 'POST', {}, order).catch(() => null);
      if (reply && reply.status < 300) count(stage.memory, `fault ${fault}`);
    }
    await sleep(between(random, 100, 1_000));
  }
}

/** kill -9 of one process or another, at any moment; several may be down at a time. */
export async function actAsKiller(stage: Stage, random: Random): Promise<void> {
  const { fleet, memory } = stage;
  const strikes: Promise<void>[] = [];
  while (stage.goesOn()) {
    await sleep(between(random, 700, 3_000));
    if (!stage.goesOn()) break;
    const name = pick(random, fleet.names);
    count(memory, `kill ${name}`);
    strikes.push(fleet.strike(name, between(random, 0, 1_500)));
  }
  await Promise.all(strikes);
}
