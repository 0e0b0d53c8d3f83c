import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import type { Loop } from '../../src/jobs/loop.ts';
import type { Wakeups } from '../../src/jobs/wakeups.ts';
import { sealConfig } from '../../src/store/secrets.ts';
import { ConnectionUnusable, openConnectors } from '../../src/sync/connectors.ts';
import { requestSync, startSync } from '../../src/sync/loop.ts';
import { SEAL } from '../harness/seal.ts';
import { appointmentRecord, createMemoryHrs, type MemoryHrs, patientRecord } from './memory-hrs.ts';
import { furnish, openPractice, type Practice } from './practice.ts';

/** Hints within this process only: what the loop needs, without a second database connection. */
function localWakeups(): Wakeups {
  const listeners = new Set<() => void>();
  return {
    wake: (channel) => channel === 'sync' && listeners.forEach((listener) => void listener()),
    on(_, listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {},
  };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${what}`);
    await pause(10);
  }
}

describe('the sync loop', () => {
  let practice: Practice;
  let other: MemoryHrs;
  let loop: Loop | null = null;
  const wakeups = localWakeups();

  beforeEach(async () => {
    practice = await openPractice(furnish(createMemoryHrs()));
    other = createMemoryHrs();
    other.kind.kind = 'other';
    const kinds = new Map([practice.hrs, other].map((hrs) => [hrs.kind.kind, hrs.kind]));
    const connectors = openConnectors(kinds, SEAL);
    Object.assign(practice.services, { kinds, wakeups, clock: systemClock, connectors: connectors.get });
  });
  afterEach(async () => {
    await loop?.stop(0);
    loop = null;
    await practice.close();
  });

  const start = () => {
    loop = startSync({ ...practice.services, wakeups });
  };
  const connect = (kind: string, sync_cycle_ms: number) =>
    practice.query((tx) =>
      tx
        .insertInto('connection')
        .values({
          institution_id: practice.institutionId,
          kind,
          name: kind,
          config: '{}',
          sync_cycle_ms,
          push_token: kind,
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
  const has = (foreignId: string) => async () =>
    (await practice.query((tx) =>
      tx.selectFrom('patient').select('id').where('foreign_id', '=', foreignId).executeTakeFirst(),
    )) !== undefined;

  it('reads by its cycle, whatever another connection does', async () => {
    await connect('other', 1_000);
    other.faults.hang = true;
    await practice.query((tx) =>
      tx.updateTable('connection').set({ sync_cycle_ms: 100 }).where('kind', '=', 'memory').execute(),
    );
    start();
    await until('the first sync', has('P1'));
    practice.hrs.put(patientRecord('P7'));
    await until('the next cycle', has('P7'));
  });

  it('reads at once when it is asked to', async () => {
    await practice.query((tx) => tx.updateTable('connection').set({ sync_cycle_ms: 3_600_000 }).execute());
    start();
    await until('the first sync', async () => (await practice.connection()).synced_at !== null);
    practice.hrs.put(patientRecord('P7'));
    await practice.query((tx) => requestSync(tx, practice.connectionId));
    wakeups.wake('sync');
    await until('the pushed record', has('P7'));
    assert.ok(Date.parse((await practice.connection()).sync_due_at) > Date.now() + 3_000_000);
  });

  it('does not forget a push that comes while it reads', async () => {
    await practice.query((tx) => tx.updateTable('connection').set({ sync_cycle_ms: 3_600_000 }).execute());
    const { connectors } = practice.services;
    let pushed = false;
    practice.services.connectors = (row) => {
      const connector = connectors(row);
      return {
        ...connector,
        async *changes(cursor, signal) {
          for await (const batch of connector.changes(cursor, signal)) {
            if (!pushed) {
              pushed = true;
              practice.hrs.put(appointmentRecord('A1'));
              await practice.query((tx) => requestSync(tx, practice.connectionId));
            }
            yield batch;
          }
        },
      };
    };
    start();
    await until('the push is followed', async () =>
      practice.query(async (tx) => (await tx.selectFrom('appointment').select('id').execute()).length === 1),
    );
  });

  it('gives a connection back when it is stopped', async () => {
    practice.hrs.faults.hang = true;
    start();
    await until('the claim', async () => (await practice.connection()).sync_lease_until !== null);
    await loop?.stop(0);
    const { sync_lease_until, read_status, last_error_code } = await practice.connection();
    assert.deepEqual([sync_lease_until, read_status, last_error_code], [null, 'red', null]);
  });

  it('leaves a paused connection alone', async () => {
    await practice.query((tx) =>
      tx.updateTable('connection').set({ paused: true }).where('id', '=', practice.connectionId).execute(),
    );
    await connect('other', 100);
    furnish(other);
    start();
    await until('the other one', has('P1'));
    assert.equal((await practice.connection()).synced_at, null);
  });
});

describe('connectors', () => {
  it('are made once for each configuration and closed at the end', async () => {
    const { kind } = createMemoryHrs();
    const closed: number[] = [];
    let made = 0;
    const connectors = openConnectors(
      new Map([
        [
          kind.kind,
          {
            ...kind,
            connect: (config: unknown) => {
              made += 1;
              const number = made;
              return { ...kind.connect(config), close: async () => void closed.push(number) };
            },
          },
        ],
      ]),
      SEAL,
    );
    const first = connectors.get({ id: 1, kind: kind.kind, config: { a: 1 } });
    assert.equal(connectors.get({ id: 1, kind: kind.kind, config: { a: 1 } }), first);
    assert.notEqual(connectors.get({ id: 1, kind: kind.kind, config: { a: 2 } }), first);
    assert.deepEqual(closed, [1]);
    connectors.get({ id: 2, kind: kind.kind, config: { a: 1 } });
    await connectors.close();
    assert.deepEqual(closed, [1, 2, 3]);
    assert.throws(() => connectors.get({ id: 3, kind: 'unknown', config: {} }), /unknown/);
  });

  it('open what is sealed, and say which connection an administrator must look at', () => {
    const { kind } = createMemoryHrs();
    const configs: unknown[] = [];
    const connect = (config: unknown) => {
      configs.push(config);
      return kind.connect(config);
    };
    const connectors = openConnectors(new Map([[kind.kind, { ...kind, connect }]]), SEAL);
    const config = JSON.parse(sealConfig(SEAL, 1, { password: 'p' }));
    const { capabilities } = connectors.get({ id: 1, kind: kind.kind, config });
    const stored = { id: 1, kind: kind.kind, config, capabilities: null };
    assert.deepEqual(connectors.capabilitiesOf(stored), capabilities);
    assert.deepEqual(configs, [{ password: 'p' }]);
    const moved = { ...stored, id: 2 };
    assert.throws(() => connectors.get(moved), ConnectionUnusable);
    assert.throws(() => connectors.capabilitiesOf(moved), { code: 'connection_unusable' });
    assert.throws(() => connectors.capabilitiesOf({ ...moved, kind: 'unknown' }), { code: 'connection_unusable' });
  });

  it('say what the HRS was heard to refuse, and never more than the program can do', () => {
    const { kind } = createMemoryHrs();
    const connectors = openConnectors(new Map([[kind.kind, kind]]), SEAL);
    const { capabilities } = connectors.get({ id: 1, kind: kind.kind, config: {} });
    const said = (heard: object) =>
      connectors.capabilitiesOf({ id: 1, kind: kind.kind, config: {}, capabilities: { ...heard } });
    assert.deepEqual(said({ cancel: false, marker: 'none' }), { ...capabilities, cancel: false });
    capabilities.confirm = false;
    assert.equal(said({ confirm: true }).confirm, false);
  });
});
