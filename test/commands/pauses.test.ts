/** How long a write rests between its tries, by what came of the last one. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';
import { createScriptedHrs, putVisit, type ScriptedHrs, work } from './scripted-hrs.ts';

/** A Monday, 7:00 in New York. */
const NOW_MS = Date.parse('2026-03-02T12:00:00.000Z');
const DAY_MS = 86_400_000;

suite('the pauses of a write', () => {
  let api: Api;
  let hrs: ScriptedHrs;
  let id: number;
  const clock = { ms: NOW_MS, nowMs: () => clock.ms };

  before(async () => {
    api = await startApi({ clock });
  });
  beforeEach(() => {
    clock.ms = NOW_MS;
    hrs = createScriptedHrs();
  });
  after(() => api.close());

  /** A confirmation of an appointment that begins in so many ms. */
  async function confirm(inMs: number): Promise<void> {
    id = await createAppointment(api.db, api.practice, new Date(NOW_MS + inMs).toISOString());
    const row = await forAll(api.db, (tx) =>
      tx.selectFrom('appointment').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
    );
    putVisit(hrs, row);
    const { status, text } = await api.patch(`/appointments/${id}?subdomain=oak`, {
      body: { appt: { confirmed: true } },
    });
    assert.equal(status, 200, text);
  }
  const command = () =>
    forAll(api.db, (tx) =>
      tx.selectFrom('command').selectAll().where('appointment_id', '=', id).executeTakeFirstOrThrow(),
    );
  /** Runs it each time that it is due, until it has ended; the seconds between the times at which it was sent. */
  async function pauses(): Promise<number[]> {
    const sentMs: number[] = [];
    for (let round = 0; round < 100; round += 1) {
      const sent = hrs.sent.length;
      await work(api, hrs, clock, { rounds: 1, minutes: 0 });
      if (hrs.sent.length > sent) sentMs.push(clock.ms);
      const { finished_at, due_at } = await command();
      if (finished_at) return sentMs.slice(1).map((ms, at) => Math.round((ms - (sentMs[at] as number)) / 1_000));
      clock.ms = Math.max(clock.ms, Date.parse(due_at));
    }
    throw new Error('it never ended');
  }

  test('grow while an HRS that can be read swallows every write', async () => {
    await confirm(3 * DAY_MS);
    hrs.script.push(...Array<'drop'>(8).fill('drop'));
    const between = await pauses();
    assert.deepEqual(between, [0, 2, 10, 50, 250, 600, 600]);
    const { state, attempts } = await command();
    assert.deepEqual([state, attempts], ['failed', 8]);
  });

  test('leave time for another try before the start', async () => {
    await confirm(120_000);
    hrs.script.push(...Array<'drop'>(6).fill('drop'));
    await pauses();
    assert.equal((await command()).state, 'complete');
    assert.ok(clock.ms < NOW_MS + 120_000);
  });

  test('are as long as our own limits say, which are not the fault of the HRS', async () => {
    const { id: connectionId } = api.practice.connection;
    await forAll(api.db, (tx) =>
      tx.updateTable('connection').set({ write_status: 'green', write_status_at: null }).execute(),
    );
    await confirm(DAY_MS);
    hrs.script.push('spent', 'spent');
    assert.deepEqual(await pauses(), [90, 90]);
    const { state, attempts, failures } = await command();
    assert.deepEqual([state, attempts, failures], ['complete', 1, 0]);
    const { write_status, write_status_at } = await forAll(api.db, (tx) =>
      tx.selectFrom('connection').selectAll().where('id', '=', connectionId).executeTakeFirstOrThrow(),
    );
    assert.deepEqual([write_status, write_status_at], ['green', null]);
  });
});
