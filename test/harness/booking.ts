/** What nearly every flow begins with: an open slot of the demo, and a booking of it. */
import assert from 'node:assert/strict';
import type { Body, DemoProgram, Reply } from './program.ts';

const DAY_MS = 86_400_000;
/** What `bookFrom` books. */
const BOOKED_MS = 3 * 60_000;

/** The open half-hours of one provider, from tomorrow on. */
export async function openSlots({ api, demo }: DemoProgram, days = 14): Promise<Body[]> {
  const start = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);
  const query = `subdomain=${demo.subdomain}&start_date=${start}&days=${days}&lids[]=${demo.location_id}`;
  const { body } = await api('GET', `/appointment_slots?${query}&pids[]=${demo.provider_ids[0]}&slot_length=30`);
  return body.data[0].slots;
}

/** POST /appointments for a slot; what `over` gives wins. */
export function bookSlot(
  { api, demo }: DemoProgram,
  slot: Body,
  over: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Reply> {
  const appt = {
    patient_id: demo.patient_ids[0],
    provider_id: demo.provider_ids[0],
    operatory_id: slot.operatory_id,
    start_time: slot.time,
    end_time: slot.end_time,
    ...over,
  };
  return api('POST', `/appointments?subdomain=${demo.subdomain}&location_id=${demo.location_id}`, { appt }, headers);
}

/** The writes of an appointment. */
export async function writesOf({ api, demo }: DemoProgram, appointmentId: number): Promise<Body[]> {
  return (await api('GET', `/appointments/${appointmentId}/writes?subdomain=${demo.subdomain}`)).body.data;
}

/** The last write, once it has ended. */
export async function endedWrite(program: DemoProgram, appointmentId: number): Promise<Body | null> {
  const last = (await writesOf(program, appointmentId)).at(-1);
  return last?.finished_at ? last : null;
}

/** Hours around the clock for two providers, yesterday, today and tomorrow: for bookings that begin in a few seconds. */
export async function openAroundTheClock({ api, demo }: DemoProgram): Promise<void> {
  for (const provider_id of demo.provider_ids.slice(0, 2)) {
    for (const days of [-1, 0, 1]) {
      const specific_date = new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
      const availability = { provider_id, begin_time: '00:00', end_time: '24:00', specific_date };
      const path = `/availabilities?subdomain=${demo.subdomain}&location_id=${demo.location_id}`;
      const made = await api('POST', path, { availability });
      assert.equal(made.status, 201, JSON.stringify(made.body));
    }
  }
}

/** Books the 3 minutes that begin `inMs` from now, and returns the appointment. Each test takes other minutes. */
export async function bookFrom(program: DemoProgram, inMs: number, over: object = {}): Promise<Body> {
  const startMs = Date.now() + inMs;
  const slot = { time: new Date(startMs).toISOString(), end_time: new Date(startMs + BOOKED_MS).toISOString() };
  const { status, body } = await bookSlot(program, slot, { ...over });
  assert.equal(status, 201, JSON.stringify(body));
  return body.data.appt;
}

/** Names of the events about the appointment's insertion, in their order. */
export async function insertionEventsOf({ api, demo }: DemoProgram, appointmentId: number): Promise<string[]> {
  const { body } = await api('GET', `/events?subdomain=${demo.subdomain}&per_page=1000`);
  const events = body.data as Body[];
  return events
    .filter(
      ({ event_name, data }) => event_name.startsWith('appointment_insertion') && data.appointment.id === appointmentId,
    )
    .map(({ event_name }) => event_name);
}

/** What the sandbox has at that start. */
export async function visitsStartingAt({ sandbox }: DemoProgram, start: string): Promise<Body[]> {
  const { body } = await sandbox('GET', '/v1/visits?limit=1000');
  return body.items.filter((visit: Body) => Date.parse(visit.start) === Date.parse(start));
}
