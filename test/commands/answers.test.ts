/** An HRS that takes a write now and says later what became of it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import type { Write } from '../../src/connectors/connector.ts';
import { forAll } from '../../src/store/database.ts';
import { addProvider } from '../api/schedule.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createAppointment } from '../harness/practice.ts';
import { createScriptedHrs, putVisit, type ScriptedHrs, work } from './scripted-hrs.ts';

const NOW_MS = Date.parse('2026-03-02T12:00:00.000Z');
const START_AT = '2026-03-02T13:00:00.000Z';

suite('a write that is only accepted', () => {
  let api: Api;
  let hrs: ScriptedHrs;
  let id: number;
  const clock = { ms: NOW_MS, nowMs: () => clock.ms };

  before(async () => {
    api = await startApi({ clock });
  });
  after(() => api.close());
  beforeEach(async () => {
    clock.ms = NOW_MS;
    hrs = createScriptedHrs();
    id = await createAppointment(api.db, api.practice, START_AT, { provider_id: await addProvider(api) });
    const row = await forAll(api.db, (tx) =>
      tx.selectFrom('appointment').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
    );
    putVisit(hrs, row);
    hrs.script.push('accept');
    const { status, text } = await api.patch(`/appointments/${id}?subdomain=oak`, {
      body: { appt: { confirmed: true } },
    });
    assert.equal(status, 200, text);
  });

  const write = async () => (await api.get(`/appointments/${id}/writes?subdomain=oak`)).body.data[0];
  const endOf = async () => {
    const { state, reason_code } = await write();
    return [state, reason_code];
  };
  const accepted = () => hrs.sent[0] as Write;

  test('waits for the answer, and is never sent again', async () => {
    await work(api, hrs, clock, { rounds: 6 });
    assert.deepEqual(await endOf(), ['settling', null]);
    assert.equal(hrs.sent.length, 1);
    hrs.answer(accepted(), 'do');
    await work(api, hrs, clock, { rounds: 2 });
    assert.deepEqual(await endOf(), ['complete', null]);
    assert.equal(hrs.sent.length, 1);
  });

  test('ends as the answer says when that is no', async () => {
    await work(api, hrs, clock, { rounds: 2 });
    hrs.answer(accepted(), 'refuse');
    await work(api, hrs, clock, { rounds: 2 });
    assert.deepEqual(await endOf(), ['failed', 'refused_by_hrs']);
  });

  test('goes on waiting while the HRS cannot be asked', async () => {
    await work(api, hrs, clock, { rounds: 2 });
    hrs.canBeRead = false;
    await work(api, hrs, clock, { rounds: 3 });
    assert.deepEqual(await endOf(), ['settling', null]);
    hrs.canBeRead = true;
    hrs.answer(accepted(), 'do');
    await work(api, hrs, clock, { rounds: 2 });
    assert.deepEqual(await endOf(), ['complete', null]);
  });

  test('stays in doubt when nothing is said until the start', async () => {
    await work(api, hrs, clock, { rounds: 20, minutes: 5 });
    assert.deepEqual(await endOf(), ['incomplete', 'outcome_unknown']);
    assert.equal(hrs.sent.length, 1);
  });

  test('is shown with what the HRS said when it could not take it, and is asked ever more seldom', async () => {
    hrs.script.splice(0, 1, ...Array(9).fill('busy'), 'off');
    await work(api, hrs, clock, { rounds: 9 });
    const { state, hrs_said, next_attempt_at } = await write();
    assert.deepEqual([state, hrs_said], ['queued', 'AE']);
    const waitsMs = Date.parse(next_attempt_at) - (clock.ms - 60_000);
    assert.equal(waitsMs, 256_000);
    await work(api, hrs, clock, { rounds: 1 });
    assert.equal((await write()).hrs_said, null, 'nobody was there the last time');
    hrs.script.push('busy');
    await work(api, hrs, clock, { rounds: 1 });
    clock.ms = Date.parse(START_AT);
    await work(api, hrs, clock, { rounds: 1 });
    assert.deepEqual([...(await endOf()), (await write()).hrs_said], ['timed_out', 'hrs_unreachable', 'AE']);
  });

  test('is not believed when the record does not show it', async () => {
    await work(api, hrs, clock, { rounds: 2 });
    hrs.connector.answerTo = async () => ({
      outcome: 'done',
      foreignId: (accepted() as { foreignId: string }).foreignId,
    });
    await work(api, hrs, clock, { rounds: 1 });
    assert.deepEqual(await endOf(), ['searched', null], 'a lie: it may be sent again');
    await work(api, hrs, clock, { rounds: 3 });
    assert.deepEqual(await endOf(), ['complete', null]);
    assert.equal(hrs.sent.length, 2);
  });
});
