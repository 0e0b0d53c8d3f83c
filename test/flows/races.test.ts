import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'kysely';
import { forAll } from '../../src/store/database.ts';
import { type Api, type ApiAnswer, startApi } from '../harness/api.ts';

let api: Api;

before(async () => {
  api = await startApi();
  // Ben works at North as well, in the same room and at the same hours as Ada.
  await forAll(api.db, (tx) =>
    tx
      .insertInto('availability')
      .values({
        institution_id: api.institution.id,
        location_id: api.practice.locations.north,
        provider_id: api.practice.providers.ben,
        begin_minute: 540,
        end_minute: 1020,
        days: 127,
      })
      .execute(),
  );
});

after(() => api?.close());

/** Ten in the morning in New York on a Wednesday, weeks ahead, a new week for each test. */
let week = 0;
function nextWednesday(): number {
  week += 1;
  const day = new Date(Date.now() + week * 7 * 86_400_000);
  day.setUTCDate(day.getUTCDate() + ((3 - day.getUTCDay() + 7) % 7));
  day.setUTCHours(15, 0, 0, 0);
  return day.getTime();
}

function book(
  appt: Record<string, unknown>,
  headers: Record<string, string> = {},
  perTimeslot?: number,
): Promise<ApiAnswer> {
  const { practice } = api;
  return api.post(`/appointments?subdomain=oak&location_id=${practice.locations.north}`, {
    body: {
      appointments_per_timeslot: perTimeslot,
      appt: { patient_id: practice.patients.pia, provider_id: practice.providers.ada, ...appt },
    },
    headers,
  });
}

const at = (ms: number) => new Date(ms).toISOString();
const halfHour = (startMs: number) => ({ start_time: at(startMs), end_time: at(startMs + 1_800_000) });

function judge(answers: ApiAnswer[]): void {
  const counts = Map.groupBy(answers, (answer) => answer.status);
  assert.deepEqual([...counts.keys()].sort(), [201, 400], JSON.stringify(answers.find((a) => a.status > 400)?.body));
  assert.equal(counts.get(201)?.length, 1);
  for (const refused of counts.get(400) ?? []) assert.match(refused.body.error[0], /this time is no longer available/);
}

for (const crowd of [32, 200]) {
  test(`${crowd} at once for one slot: one gets it`, async () => {
    const startMs = nextWednesday();
    judge(await Promise.all(Array.from({ length: crowd }, () => book(halfHour(startMs)))));
  });

  test(`${crowd} at once for slots that overlap: one gets in`, async () => {
    const startMs = nextWednesday();
    // Each begins a second after the one before and all overlap in the last quarter of an hour.
    judge(await Promise.all(Array.from({ length: crowd }, (_, i) => book(halfHour(startMs + i * 1000)))));
  });

  test(`${crowd} at once for one operatory of two providers: one gets it`, async () => {
    const startMs = nextWednesday();
    const { providers, operatories } = api.practice;
    const appt = (i: number) => ({
      ...halfHour(startMs),
      operatory_id: operatories.roomNorth,
      provider_id: i % 2 ? providers.ada : providers.ben,
    });
    judge(await Promise.all(Array.from({ length: crowd }, (_, i) => book(appt(i)))));
  });
}

test('distinct slots at once are all given', async () => {
  const startMs = nextWednesday() - 3_600_000;
  const answers = await Promise.all(Array.from({ length: 14 }, (_, i) => book(halfHour(startMs + i * 1_800_000))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([201]));
});

test('one Idempotency-Key sent many times at once makes one booking', async () => {
  const startMs = nextWednesday();
  const answers = await Promise.all(
    Array.from({ length: 32 }, () => book(halfHour(startMs), { 'idempotency-key': 'race-1' })),
  );
  const statuses = new Set(answers.map((answer) => answer.status));
  for (const status of statuses) assert.ok([201, 409].includes(status), String(status));
  const bodies = new Set(answers.filter((answer) => answer.status === 201).map((answer) => answer.text));
  assert.equal(bodies.size, 1);
});

test('what the database holds after all this overlaps nowhere', async () => {
  const overlaps = await forAll(api.db, (tx) =>
    sql`select 1 from appointment a join appointment b on b.id > a.id
      and (b.provider_id = a.provider_id or b.operatory_id = a.operatory_id)
      and a.start_at < b.end_at and b.start_at < a.end_at`.execute(tx),
  );
  assert.equal(overlaps.rows.length, 0);
});

const isBooked = ({ status }: ApiAnswer) => status === 201;

test('20 at once for a time of three: three get it, in a seat each', async () => {
  const startMs = nextWednesday();
  const answers = await Promise.all(Array.from({ length: 20 }, () => book(halfHour(startMs), {}, 3)));
  assert.equal(answers.filter(isBooked).length, 3);
  for (const { status, body } of answers.filter((answer) => !isBooked(answer))) {
    assert.deepEqual([status, body.error], [400, ['The slot is taken: this time is no longer available']]);
  }
  const ids = answers.filter(isBooked).map(({ body }) => body.data.appt.id);
  const rows = await forAll(api.db, (tx) =>
    tx.selectFrom('claim').select('seat').where('appointment_id', 'in', ids).orderBy('seat').execute(),
  );
  assert.deepEqual(rows, [{ seat: 1 }, { seat: 2 }, { seat: 3 }]);
  assert.equal((await book(halfHour(startMs), {}, 4)).status, 201, 'a fourth for whom four may be there');
});

test('in a crowd of different wishes nobody meets more than they agreed to', async () => {
  for (let round = 0; round < 5; round += 1) {
    const startMs = nextWednesday();
    const wishes = Array.from({ length: 24 }, (_, i) => ({
      startMs: startMs + (i % 4) * 600_000,
      perTimeslot: (i % 3) + 1,
    }));
    const answers = await Promise.all(wishes.map((wish) => book(halfHour(wish.startMs), {}, wish.perTimeslot)));
    const got = answers
      .map((answer, i) => ({
        ...(wishes[i] as (typeof wishes)[number]),
        id: isBooked(answer) && answer.body.data.appt.id,
      }))
      .filter(({ id }) => id !== false)
      // The order in which they were let in: each is compared with those before it.
      .sort((a, b) => a.id - b.id);
    assert.ok(got.length > 0);
    for (const [at, { startMs: fromMs, perTimeslot }] of got.entries()) {
      const there = got.slice(0, at).filter((one) => Math.abs(one.startMs - fromMs) < 1_800_000);
      assert.ok(there.length < perTimeslot, `${there.length} were there before one that wanted ${perTimeslot}`);
    }
  }
});

test('an operatory is one booking’s, however many its provider may have', async () => {
  const startMs = nextWednesday();
  const { roomNorth } = api.practice.operatories;
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => book({ ...halfHour(startMs), operatory_id: roomNorth }, {}, 5)),
  );
  assert.equal(answers.filter(isBooked).length, 1);
  assert.equal((await book(halfHour(startMs), {}, 5)).status, 201, 'in no operatory');
});
