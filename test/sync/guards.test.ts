import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { CommandState } from '../../src/store/schema.ts';
import { appointmentRecord, createMemoryHrs } from './memory-hrs.ts';
import { furnish, openPractice, type Practice } from './practice.ts';

const OLD = { start_at: '2026-12-01T14:00:00.000Z', end_at: '2026-12-01T14:30:00.000Z' };
const WANTED = { start_at: '2026-12-01T15:00:00.000Z', end_at: '2026-12-01T15:30:00.000Z' };
const STAFFS = { start_at: '2026-12-01T17:00:00.000Z', end_at: '2026-12-01T17:30:00.000Z' };
const staffMove = () => appointmentRecord('A1', { startAt: STAFFS.start_at, endAt: STAFFS.end_at });
const BEFORE = '2026-10-01T00:00:00.000Z';

describe('a sync while an appointment is being moved', () => {
  let practice: Practice;
  let id: number;
  let commandId: number;
  beforeEach(async () => {
    practice = await openPractice(furnish(createMemoryHrs()));
    practice.hrs.put(appointmentRecord('A1'));
    await practice.sync();
    ({ id } = await practice.appointment('A1'));
    commandId = await practice.query(async (tx) => {
      await tx.updateTable('appointment').set(WANTED).where('id', '=', id).execute();
      const command = {
        institution_id: practice.institutionId,
        connection_id: practice.connectionId,
        appointment_id: id,
        sequence: 1,
        kind: 'update' as const,
        marker: randomUUID(),
        changes: JSON.stringify(WANTED),
        previous: JSON.stringify(OLD),
        expires_at: OLD.start_at,
      };
      return (await tx.insertInto('command').values(command).returning('id').executeTakeFirstOrThrow()).id;
    });
  });
  afterEach(() => practice.close());

  const set = (state: CommandState, finished_at: string | null = null) =>
    practice.query((tx) => tx.updateTable('command').set({ state, finished_at }).where('id', '=', commandId).execute());
  const timesOf = async () => {
    const { start_at, end_at } = await practice.appointment('A1');
    return { start_at, end_at };
  };
  const previous = async () =>
    (
      await practice.query((tx) =>
        tx.selectFrom('command').select('previous').where('id', '=', commandId).executeTakeFirstOrThrow(),
      )
    ).previous;

  it('leaves what staff did meanwhile to a command that was not sent, to go back to', async () => {
    practice.hrs.put(staffMove());
    await practice.sync();
    assert.deepEqual([await timesOf(), await previous()], [WANTED, STAFFS]);
    assert.deepEqual(await practice.events(), []);
  });

  it('comes back for what staff did while it was under way', async () => {
    for (const state of ['sent', 'settling'] as const) {
      await set(state);
      practice.hrs.put(staffMove());
      await practice.sync();
      assert.deepEqual([await timesOf(), await previous()], [WANTED, OLD]);
    }
    await set('complete', BEFORE);
    await practice.sync();
    assert.deepEqual(await timesOf(), STAFFS);
    assert.equal((await practice.events()).length, 1);
  });

  it('sends a command for the answer that it waits for, and no other', async () => {
    const inAnHour = '2099-01-01T00:00:00.000Z';
    const dueAt = async () =>
      (await practice.query((tx) => tx.selectFrom('command').select('due_at').executeTakeFirstOrThrow())).due_at;
    const wait = (accepted_at: string | null) =>
      practice.query((tx) => tx.updateTable('command').set({ due_at: inAnHour, accepted_at }).execute());
    await set('settling');
    practice.hrs.put(appointmentRecord('A1', { startAt: WANTED.start_at, endAt: WANTED.end_at }));
    await wait(BEFORE);
    await practice.sync();
    assert.equal(await dueAt(), inAnHour, 'an HRS that answers at once');

    practice.hrs.answersLater = true;
    practice.hrs.put(appointmentRecord('B1'));
    await wait(null);
    await practice.sync();
    assert.equal(await dueAt(), inAnHour, 'a write that was not accepted');

    practice.hrs.put(appointmentRecord('B2'));
    await wait(BEFORE);
    await practice.sync();
    assert.ok((await dueAt()) < inAnHour);
  });

  it('does not come back for its own doing', async () => {
    await set('sent');
    practice.hrs.put(appointmentRecord('A1', { startAt: WANTED.start_at, endAt: WANTED.end_at }));
    await practice.sync();
    const { cursor } = await practice.connection();
    for (let n = 0; n < 10; n += 1) practice.hrs.put(appointmentRecord(`B${n}`));
    await practice.sync();
    assert.notDeepEqual((await practice.connection()).cursor, cursor, 'reading goes on');
    assert.deepEqual(await previous(), OLD);
  });

  it('frees what was kept in doubt, once everything has been read again', async () => {
    const { provider_id } = await practice.appointment('A1');
    await practice.query((tx) =>
      tx
        .insertInto('claim')
        .values({
          institution_id: practice.institutionId,
          appointment_id: id,
          resource: 'provider',
          resource_id: provider_id as number,
          ...OLD,
        })
        .execute(),
    );
    const claims = async () => (await practice.query((tx) => tx.selectFrom('claim').select('id').execute())).length;
    await set('settling');
    await practice.sync({ full: true });
    assert.equal(await claims(), 1);
    await set('incomplete', BEFORE);
    await practice.sync();
    assert.equal(await claims(), 1, 'an incremental pass need not have seen it');
    await practice.sync({ full: true });
    assert.equal(await claims(), 0);
    assert.deepEqual(await timesOf(), OLD);
  });
});
