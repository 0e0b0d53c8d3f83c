/** What nearly every flow begins with: an open slot of the demo, and a booking of it. */
import type { Body, DemoProgram, Reply } from './program.ts';

const TOMORROW_MS = 86_400_000;

/** The open half-hours of one provider, from tomorrow on. */
export async function openSlots({ api, demo }: DemoProgram, days = 14): Promise<Body[]> {
  const start = new Date(Date.now() + TOMORROW_MS).toISOString().slice(0, 10);
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
