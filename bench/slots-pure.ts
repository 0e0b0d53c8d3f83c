/**
 * Times the slot function alone: no database, no HTTP. `node bench/slots-pure.ts`
 *
 * A practice open 8 to 17 in two records with lunch between, each provider in an own operatory, some 60 % of the
 * quarter hours booked, slots of 15 minutes.
 */
import type { Availability } from '../src/domain/availability.ts';
import { explainSlots } from '../src/domain/explanation.ts';
import { type BusyInterval, computeSlots, fillNextAvailableDates, type SlotInput } from '../src/domain/slot.ts';
import { addDays, localToInstantMs, MINUTE_MS } from '../src/domain/zone.ts';

const ZONE = 'America/New_York';
const START_DATE = '2026-10-25';

/** Numbers that look random and are the same on every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function practice(providerCount: number, days: number, bookedShare: number): SlotInput {
  const random = randomFrom(7);
  const ids = Array.from({ length: providerCount }, (_, i) => i + 1);
  const record = {
    days: 127,
    specificDate: null,
    recurrence: null,
    active: true,
    source: 'manual' as const,
    labelId: null,
    appointmentTypeIds: [],
  };
  const availabilities: Availability[] = ids.flatMap((id) => [
    { ...record, id: id * 2, providerId: id, operatoryId: id + 1000, beginMinute: 480, endMinute: 720 },
    { ...record, id: id * 2 + 1, providerId: id, operatoryId: id + 1000, beginMinute: 780, endMinute: 1020 },
  ]);
  const busy: BusyInterval[] = [];
  for (let day = 0; day < days; day++)
    for (const id of ids)
      for (let minute = 480; minute < 1020; minute += 15) {
        if (random() >= bookedShare) continue;
        const startMs = localToInstantMs(ZONE, addDays(START_DATE, day), minute);
        const endMs = startMs + 15 * MINUTE_MS;
        busy.push({
          startMs,
          endMs,
          appointmentId: busy.length,
          providerId: id,
          operatoryId: id + 1000,
          reason: 'appointment',
        });
      }
  return {
    nowMs: 0,
    zone: ZONE,
    locationId: 1,
    startDate: START_DATE,
    days: Math.min(days, 14),
    providerIds: ids,
    operatoryIds: null,
    labelId: null,
    source: null,
    appointmentsPerTimeslot: 1,
    providers: ids.map((id) => ({ id, active: true })),
    operatories: ids.map((id) => ({ id: id + 1000, active: true })),
    availabilities,
    busy,
    appointmentType: null,
    slotLengthMinutes: 15,
    slotIntervalMinutes: null,
    overlappingOperatorySlots: false,
  };
}

function time(name: string, run: () => unknown): void {
  const runs = 300;
  const timesMs: number[] = [];
  for (let i = 0; i < runs; i++) {
    const startedMs = performance.now();
    run();
    timesMs.push(performance.now() - startedMs);
  }
  const [coldMs] = timesMs as [number];
  const warm = timesMs.slice(runs / 3).sort((a, b) => a - b);
  const at = (share: number) => (warm[Math.floor(warm.length * share)] as number).toFixed(2);
  console.log(`${name.padEnd(44)} first ${coldMs.toFixed(1)} ms  p50 ${at(0.5)} ms  p95 ${at(0.95)} ms`);
}

const one = practice(1, 14, 0.6);
const fifty = practice(50, 14, 0.6);
const full = practice(50, 181, 1);
const slotCount = computeSlots(fifty).reduce((sum, group) => sum + group.slots.length, 0);
time('1 provider x 14 days', () => computeSlots(one));
time(`50 providers x 14 days (${slotCount} slots)`, () => computeSlots(fifty));
time('50 x 14, and JSON.stringify', () => JSON.stringify(computeSlots(fifty)));
time('50 x 14, explained', () => explainSlots(fifty));
time('next date, 1 provider, 180 full days', () => {
  const input = { ...full, providerIds: [1], busy: full.busy.slice(0, full.busy.length / 50) };
  fillNextAvailableDates(computeSlots(input), input);
});
