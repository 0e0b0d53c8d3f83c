import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { claimConnection } from '../../src/sync/loop.ts';
import { runSync } from '../../src/sync/run.ts';
import { appointmentRecord, createMemoryHrs, patientRecord } from './memory-hrs.ts';
import { furnish, openPractice, type Practice } from './practice.ts';

const DAY_MS = 86_400_000;

describe('a pass', () => {
  let practice: Practice;
  beforeEach(async () => {
    practice = await openPractice(furnish(createMemoryHrs({ pageSize: 10, reportsDeletions: false })));
    for (let n = 0; n < 100; n += 1) practice.hrs.put(appointmentRecord(`A${n}`));
    await practice.sync();
  });
  afterEach(() => practice.close());

  const live = () =>
    practice.query(async (tx) => {
      const rows = await tx.selectFrom('appointment').select('id').where('deleted_at', 'is', null).execute();
      return rows.length;
    });

  it('lets go of what two complete passes did not see', async () => {
    practice.hrs.remove('appointment', 'A1');
    assert.equal((await practice.sync({ full: true })).deleted, 0);
    assert.equal(await live(), 100);
    assert.equal((await practice.sync({ full: true })).deleted, 1);
    assert.equal(await live(), 99);
    assert.deepEqual(
      (await practice.events()).map(({ name, data }) => [name, data.appointment.foreign_id]),
      [['appointment_updated', 'A1']],
    );
    assert.equal((await practice.sync({ full: true })).deleted, 0);
  });

  it('forgives a row that was missing once', async () => {
    const [record] = practice.hrs.list('appointment');
    practice.hrs.remove('appointment', record?.foreignId as string);
    await practice.sync({ full: true });
    practice.hrs.put(record as never);
    await practice.sync({ full: true });
    practice.hrs.remove('appointment', record?.foreignId as string);
    await practice.sync({ full: true });
    assert.equal(await live(), 100);
    assert.deepEqual(await practice.events(), []);
  });

  it('judges no absence where the HRS, as it turns out, does not give everything', async () => {
    practice.hrs.remove('appointment', 'A1');
    const connector = practice.hrs.kind.connect({});
    const { changes, capabilities } = connector;
    const { readsCompletely } = capabilities;
    connector.changes = async function* (...from) {
      capabilities.readsCompletely = readsCompletely.filter((kind) => kind !== 'appointment');
      yield* changes(...from);
    };
    for (let n = 0; n < 3; n += 1) {
      // As a program knows it that has just started.
      capabilities.readsCompletely = readsCompletely;
      assert.equal((await practice.sync({ full: true })).deleted, 0);
    }
    assert.equal(await live(), 100);
  });

  it('deletes nothing when it ends without proof that it saw everything', async () => {
    for (let n = 0; n < 4; n += 1) {
      practice.hrs.faults.stopAfter = 5;
      const result = await practice.sync({ full: true });
      assert.deepEqual([result.outcome, result.deleted], ['partial', 0]);
    }
    assert.equal(await live(), 100);
    assert.equal((await practice.connection()).last_error_code, 'partial');
    assert.deepEqual(await practice.events(), []);
  });

  it('holds back many deletions at once, and believes them after a day', async () => {
    practice.hrs.faults.hidden.add('appointment');
    await practice.sync({ full: true });
    const second = await practice.sync({ full: true });
    assert.deepEqual([second.deleted, second.held], [0, 100]);
    assert.equal((await practice.connection()).held_deletions, 100);
    assert.equal(await live(), 100);
    assert.match(practice.log.join('\n'), /held back/);
    // Runs are stamped by the database's clock, which is near the real one.
    practice.clock.ms = Date.now() + DAY_MS / 2;
    assert.equal((await practice.sync({ full: true })).held, 100);
    practice.clock.ms = Date.now() + DAY_MS + 60_000;
    assert.equal((await practice.sync({ full: true })).deleted, 100);
    assert.equal((await practice.connection()).held_deletions, 0);
    assert.equal((await practice.events()).length, 100);
  });

  it('takes held rows back when they show up again', async () => {
    practice.hrs.faults.blind = true;
    await practice.sync({ full: true });
    await practice.sync({ full: true });
    practice.hrs.faults.blind = false;
    const result = await practice.sync({ full: true });
    assert.deepEqual([result.held, result.changed], [0, 0]);
    assert.equal((await practice.connection()).held_deletions, 0);
    assert.deepEqual(await practice.events(), []);
  });

  it('goes on from where it was cut off', async () => {
    const whole = await practice.sync({ full: true });
    practice.hrs.faults.throwAfter = { batches: 7, error: 'unavailable' };
    const cut = await practice.sync({ full: true });
    assert.deepEqual([cut.kind, cut.outcome], ['full', 'failed']);
    const rest = await practice.sync();
    assert.deepEqual([rest.kind, rest.outcome], ['incremental', 'complete']);
    // Together they read little more than one pass does: its last stamp of the feed twice.
    assert.ok(cut.records + rest.records <= whole.records + 5, `${cut.records} + ${rest.records}`);
  });

  it('begins anew when the HRS fails over the position that it gave', async () => {
    for (const error of ['unavailable', 'nonsense', 'rejected'] as const) {
      practice.hrs.faults.throwAfter = { batches: 0, error };
      const result = await practice.sync({ full: true });
      assert.deepEqual([result.kind, result.outcome], ['full', 'complete'], error);
    }
  });

  it('learns in a pass from the beginning what was deleted just before it', async () => {
    const reporting = await openPractice(furnish(createMemoryHrs()));
    try {
      await reporting.sync();
      reporting.hrs.remove('patient', 'P2');
      assert.equal((await reporting.sync({ full: true })).deleted, 1);
    } finally {
      await reporting.close();
    }
  });

  it('begins again when the HRS no longer knows the cursor', async () => {
    practice.hrs.faults.throwAfter = { batches: 0, error: 'rejected' };
    assert.equal((await practice.sync()).outcome, 'failed');
    const { cursor, read_status } = await practice.connection();
    assert.deepEqual([cursor, read_status], [null, 'green']);
    assert.deepEqual((await practice.sync()).kind, 'full');
  });

  it('turns red with the HRS, and tells when it is back', async () => {
    for (const error of ['unavailable', 'nonsense'] as const) {
      practice.hrs.faults.throwAfter = { batches: 0, error };
      await practice.sync();
      const down = await practice.connection();
      assert.deepEqual([down.read_status, down.last_error_code], ['red', error]);
      assert.equal(down.sync_lease_until, null);
      assert.deepEqual(await practice.events(), []);
      await practice.sync();
      const [event, ...others] = await practice.events();
      assert.deepEqual(others, []);
      assert.equal(event?.name, 'sync_status_read_change');
      assert.equal(event?.data.syncstatus.read_status, 'green');
      assert.equal(event?.data.syncstatus.locations.length, 1);
    }
  });

  it('asks an HRS that is down ever less often, at least once a minute', async () => {
    const waits: number[] = [];
    for (const downMs of [1_000, 10_000, 60_000, DAY_MS]) {
      practice.clock.ms = Date.parse('2026-11-01T00:00:00.000Z') + downMs;
      practice.hrs.faults.throwAfter = { batches: 0, error: 'unavailable' };
      await practice.sync();
      waits.push(Date.parse((await practice.connection()).sync_due_at) - Date.now());
    }
    const expected = [1_000, 5_000, 30_000, 60_000];
    for (const [n, wait] of waits.entries()) {
      const wanted = expected[n] as number;
      assert.ok(wait > wanted * 0.9 - 900 && wait < wanted * 1.1 + 900, `${wait} instead of ${wanted}`);
    }
  });

  it('stores nothing for a worker whose connection was taken over', async () => {
    practice.hrs.put(appointmentRecord('A1', { note: 'late' }));
    await practice.query((tx) =>
      tx.updateTable('connection').set({ sync_due_at: '2000-01-01T00:00:00.000Z' }).execute(),
    );
    const first = await claimConnection(practice.db);
    assert.ok(first);
    assert.equal(await claimConnection(practice.db), null, 'a lease keeps others away');
    // The takeover happens while the first worker's batch is on its way.
    const { connectors } = practice.services;
    practice.services.connectors = (row) => {
      const connector = connectors(row);
      return {
        ...connector,
        async *changes(cursor, signal) {
          await practice.query((tx) =>
            tx
              .updateTable('connection')
              .set((eb) => ({ sync_fence: eb('sync_fence', '+', 1) }))
              .execute(),
          );
          yield* connector.changes(cursor, signal);
        },
      };
    };
    const before = await practice.connection();
    assert.equal(await runSync(practice.services, first.id, first.fence, new AbortController().signal), null);
    assert.equal((await practice.appointment('A1')).note, null);
    assert.deepEqual((await practice.connection()).cursor, before.cursor);
    assert.deepEqual(await practice.events(), []);
    assert.equal(await runSync(practice.services, first.id, first.fence, new AbortController().signal), null);
  });

  it('notes what the HRS can do, for whoever does not read it', async () => {
    const noted = async () => (await practice.connection()).capabilities;
    await practice.sync();
    assert.equal((await noted())?.createAppointment, true);
    const { connectors } = practice.services;
    practice.services.connectors = (row) => {
      const connector = connectors(row);
      return { ...connector, capabilities: { ...connector.capabilities, createAppointment: false } };
    };
    await practice.sync();
    assert.equal((await noted())?.createAppointment, false);
  });

  it('tells of no failure once another worker has the connection', async () => {
    await practice.query((tx) =>
      tx.updateTable('connection').set({ sync_due_at: '2000-01-01T00:00:00.000Z' }).execute(),
    );
    const claimed = await claimConnection(practice.db);
    assert.ok(claimed);
    const { connectors } = practice.services;
    practice.services.connectors = (row) => ({
      ...connectors(row),
      async *changes() {
        await practice.query((tx) =>
          tx
            .updateTable('connection')
            .set((eb) => ({ sync_fence: eb('sync_fence', '+', 1) }))
            .execute(),
        );
        throw new Error('what two of them did at the same time');
      },
    });
    assert.equal(await runSync(practice.services, claimed.id, claimed.fence, new AbortController().signal), null);
    assert.equal((await practice.connection()).last_error_code, null);
    assert.doesNotMatch(practice.log.join(''), /"level":50/);
  });

  it('can be stopped before it has begun', async () => {
    practice.hrs.faults.hang = true;
    await practice.query((tx) =>
      tx.updateTable('connection').set({ sync_due_at: '2000-01-01T00:00:00.000Z' }).execute(),
    );
    const claimed = await claimConnection(practice.db);
    assert.ok(claimed);
    // What the connector throws afterwards, to nobody, would fail this test as an unhandled rejection.
    const result = await runSync(practice.services, claimed.id, claimed.fence, AbortSignal.abort());
    assert.equal(result?.outcome, 'partial');
    assert.equal((await practice.connection()).sync_lease_until, null);
  });

  it('refuses batches and cursors beyond their bounds', async () => {
    const { connectors } = practice.services;
    const spoil = (batch: object) => {
      practice.services.connectors = (row) => ({
        ...connectors(row),
        async *changes() {
          yield { records: [], cursor: null, complete: true, ...batch };
        },
      });
    };
    spoil({ cursor: { text: 'x'.repeat(4_096) } });
    assert.equal((await practice.sync()).outcome, 'failed');
    spoil({ records: Array.from({ length: 1_001 }, (_, n) => patientRecord(`Q${n}`)) });
    assert.equal((await practice.sync()).outcome, 'failed');
    assert.equal((await practice.connection()).last_error_code, 'nonsense');
  });

  it('names an unusable configuration without its values', async () => {
    practice.services.connectors = () => {
      throw new Error('secret');
    };
    assert.equal((await practice.sync()).outcome, 'failed');
    const { last_error, last_error_code } = await practice.connection();
    assert.equal(last_error_code, 'internal');
    assert.doesNotMatch(last_error as string, /secret/);
  });
});

describe('reported deletions', () => {
  it('outlive a pass that is cut off, and obey the brake', async () => {
    const practice = await openPractice(furnish(createMemoryHrs({ pageSize: 10 })));
    try {
      for (let n = 0; n < 100; n += 1) practice.hrs.put(appointmentRecord(`A${n}`));
      await practice.sync();
      for (let n = 0; n < 15; n += 1) practice.hrs.remove('appointment', `A${n}`);
      practice.hrs.faults.throwAfter = { batches: 1, error: 'unavailable' };
      assert.equal((await practice.sync()).deleted, 0);
      assert.ok((await practice.connection()).held_deletions > 0);
      const counted = await practice.sync();
      assert.equal(counted.deleted, 15);
      for (let n = 20; n < 50; n += 1) practice.hrs.remove('appointment', `A${n}`);
      const braked = await practice.sync();
      assert.deepEqual([braked.deleted, braked.held], [0, 30]);
      // A person has looked: for one pass the brake does not hold.
      await practice.query((tx) => tx.updateTable('connection').set({ deletions_accepted: true }).execute());
      const accepted = await practice.sync();
      assert.deepEqual([accepted.deleted, accepted.held], [30, 0]);
      assert.equal((await practice.connection()).deletions_accepted, false);
    } finally {
      await practice.close();
    }
  });
});

describe('what a full pass misses for the first time', () => {
  it('is looked for again soon, and not again and again', async () => {
    const practice = await openPractice(furnish(createMemoryHrs({ pageSize: 10, reportsDeletions: false })));
    const dueInMs = async () => Date.parse((await practice.connection()).full_pass_due_at) - Date.now();
    const full = async () => {
      await practice.query((tx) =>
        tx.updateTable('connection').set({ full_pass_due_at: '2000-01-01T00:00:00.000Z' }).execute(),
      );
      return practice.sync();
    };
    try {
      for (let n = 0; n < 30; n += 1) practice.hrs.put(appointmentRecord(`A${n}`));
      await practice.sync();
      assert.ok((await dueInMs()) > 60_000, 'nothing is missing');
      practice.hrs.remove('appointment', 'A7');
      assert.equal((await full()).deleted, 0);
      assert.ok((await dueInMs()) <= 30_000, 'a second look is due soon');
      assert.equal((await full()).deleted, 1);
      assert.ok((await dueInMs()) > 60_000, 'and then all is as before');
    } finally {
      await practice.close();
    }
  });
});
