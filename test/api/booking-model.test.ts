/** Bookings at random against a list of what is taken: each is accepted exactly when its time is free. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';
import { addOperatory, addProvider, book, queryText } from './schedule.ts';

/** Midnight of a Sunday in New York, long after the last run. */
const FIRST_DAY = Date.parse('2027-07-04T04:00:00Z');
const DAY_MS = 86_400_000;
const QUARTER_MS = 15 * 60_000;
/** Hours are from 9:00 to 17:00. */
const OPENING = 36;
const CLOSING = 68;

interface Taken {
  /** Null for what the front desk did. */
  id: number | null;
  provider: number | null;
  room: number | null;
  from: number;
  to: number;
  block: boolean;
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('book' as const),
      provider: fc.nat(2),
      room: fc.option(fc.nat(1)),
      from: fc.integer({ min: OPENING - 1, max: CLOSING }),
      quarters: fc.integer({ min: 1, max: 8 }),
      perTimeslot: fc.constantFrom(1, 1, 2, 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('block' as const),
      provider: fc.option(fc.nat(2)),
      room: fc.nat(1),
      from: fc.integer({ min: OPENING - 4, max: CLOSING }),
      quarters: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    // What the front desk does: it overlaps whatever it likes.
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('sync' as const),
      block: fc.constantFrom(false, false, true),
      provider: fc.option(fc.nat(2)),
      room: fc.option(fc.nat(1)),
      from: fc.integer({ min: OPENING - 4, max: CLOSING }),
      quarters: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
);

test('bookings are accepted exactly when their time is free, and slots show what is left', async () => {
  const api = await startApi();
  try {
    const hours = { begin_minute: OPENING * 15, end_minute: CLOSING * 15 };
    const providers = [await addProvider(api, hours), await addProvider(api, hours), await addProvider(api, hours)];
    const rooms = [await addOperatory(api), await addOperatory(api)];
    let day = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const dayMs = FIRST_DAY + day++ * DAY_MS;
        const taken: Taken[] = [];
        const isFree = (at: Omit<Taken, 'id' | 'block'>, perTimeslot: number) => {
          const met = taken.filter((one) => one.from < at.to && at.from < one.to);
          const ofProvider = met.filter((one) => one.provider !== null && one.provider === at.provider);
          return (
            !met.some((one) => one.provider === null && one.room === null) &&
            !met.some((one) => one.room !== null && one.room === at.room) &&
            !ofProvider.some((one) => one.block) &&
            ofProvider.length < perTimeslot
          );
        };
        for (const one of steps) {
          if (one.do === 'cancel') {
            const ours = taken.filter(({ id }) => id !== null);
            const gone = ours[one.which % Math.max(ours.length, 1)];
            if (!gone) continue;
            taken.splice(taken.indexOf(gone), 1);
            const path = `/appointments/${gone.id}?subdomain=oak`;
            assert.equal((await api.patch(path, { body: { appt: { cancelled: true } } })).status, 200);
            continue;
          }
          const at = {
            provider: one.provider === null ? null : (providers[one.provider] as number),
            room: one.room === null ? null : (rooms[one.room] as number),
            from: one.from,
            to: one.from + one.quarters,
            block: one.do === 'block' || (one.do === 'sync' && one.block),
          };
          const perTimeslot = one.do === 'book' ? one.perTimeslot : 1;
          const start = new Date(dayMs + at.from * QUARTER_MS).toISOString();
          const end = new Date(dayMs + at.to * QUARTER_MS).toISOString();
          if (one.do === 'sync') {
            const fields = { provider_id: at.provider, operatory_id: at.room, end_at: end, unavailable: at.block };
            await createAppointment(api.db, api.practice, start, fields);
            taken.push({ ...at, id: null });
            continue;
          }
          const { status, headers, body } = await book(
            api,
            {
              provider_id: at.provider,
              operatory_id: at.room,
              start_time: start,
              end_time: end,
              unavailable: one.do === 'block',
            },
            { perTimeslot },
          );
          const isInHours = one.do === 'block' || (at.from >= OPENING && at.to <= CLOSING);
          const expected = !isFree(at, perTimeslot) ? 'slot_taken' : isInHours ? null : 'outside_hours';
          assert.deepEqual([status, headers.get('openchair-error-code')], [expected ? 400 : 201, expected]);
          if (status === 201) taken.push({ ...at, id: body.data.appt.id });
        }
        const start_date = new Date(dayMs).toISOString().slice(0, 10);
        const asked = { subdomain: 'oak', start_date, days: 1, lids: [api.practice.locations.north], pids: providers };
        for (const perTimeslot of [1, 2, 3]) {
          const { body } = await api.get(
            `/available_slots?${queryText({ ...asked, appointments_per_timeslot: perTimeslot })}`,
          );
          for (const group of body.data) {
            const offered = group.slots.map((slot: { time: string }) => (Date.parse(slot.time) - dayMs) / QUARTER_MS);
            const free = Array.from({ length: CLOSING - OPENING }, (_, quarter) => OPENING + quarter).filter((from) =>
              isFree({ provider: group.pid, room: null, from, to: from + 1 }, perTimeslot),
            );
            assert.deepEqual(offered, free);
          }
        }
      }),
      { numRuns: 25, endOnFailure: false, interruptAfterTimeLimit: 5_000 },
    );
  } finally {
    await api.close();
  }
});
