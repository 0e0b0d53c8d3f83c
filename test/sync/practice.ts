/** A database, an HRS in memory and a connection between them; and what a test wants to know of the three. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { type Database, forAll, forInstitution, openDatabase, type Tx } from '../../src/store/database.ts';
import type { AppointmentRow, ConnectionRow, PatientRow } from '../../src/store/schema.ts';
import { openConnectors } from '../../src/sync/connectors.ts';
import { claimConnection } from '../../src/sync/loop.ts';
import type { RunResult } from '../../src/sync/pass.ts';
import { runSync, type SyncServices } from '../../src/sync/run.ts';
import { createTestDatabase } from '../harness/database.ts';
import { SEAL } from '../harness/seal.ts';
import { locationRecord, type MemoryHrs, patientRecord, providerRecord } from './memory-hrs.ts';

export interface Practice {
  db: Database;
  hrs: MemoryHrs;
  services: SyncServices;
  institutionId: number;
  connectionId: number;
  /** The clock of the program, in ms; a test may set it. */
  clock: { ms: number };
  log: string[];
  /** Claims the connection, due or not, and runs one pass. */
  sync(options?: { full?: boolean }): Promise<RunResult>;
  query<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  connection(): Promise<ConnectionRow>;
  appointment(foreignId: string): Promise<AppointmentRow>;
  patient(foreignId: string): Promise<PatientRow>;
  /** Events since the last call, oldest first. */
  // biome-ignore lint/suspicious/noExplicitAny: the data of an event has the shape the test asserts.
  events(): Promise<{ name: string; resourceId: number; sequence: number; data: any }[]>;
  close(): Promise<void>;
}

export interface SharedDatabase {
  db: Database;
  close(): Promise<void>;
}

export async function openSharedDatabase(): Promise<SharedDatabase> {
  const database = await createTestDatabase();
  const db = openDatabase(database.connection, 6, () => {});
  return {
    db,
    async close() {
      await db.close();
      await database.drop();
    },
  };
}

/** With `shared`, the practice is one of several institutions in that database, and sees only itself. */
export async function openPractice(hrs: MemoryHrs, shared?: SharedDatabase): Promise<Practice> {
  const database = shared ?? (await openSharedDatabase());
  const { db } = database;
  const clock = { ms: Date.parse('2026-11-01T00:00:00.000Z') };
  const log: string[] = [];
  const kinds = new Map([[hrs.kind.kind, hrs.kind]]);
  const connectors = openConnectors(kinds, SEAL);
  const services: SyncServices = {
    db,
    clock: { nowMs: () => clock.ms },
    log: pino({ level: 'warn' }, { write: (line: string) => log.push(line) }),
    wakeups: { wake: () => {} },
    kinds,
    connectors: (row) => connectors.get(row),
  };
  const { institutionId, connectionId } = await forAll(db, async (tx) => {
    const institution = await tx
      .insertInto('institution')
      .values({ name: 'Demo', subdomain: `demo-${randomUUID()}` })
      .returning('id')
      .executeTakeFirstOrThrow();
    const connection = await tx
      .insertInto('connection')
      .values({
        institution_id: institution.id,
        kind: hrs.kind.kind,
        name: 'memory',
        config: '{}',
        sync_cycle_ms: 1000,
        push_token: randomUUID(),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    return { institutionId: institution.id, connectionId: connection.id };
  });
  let position = 0;
  const query = <T>(work: (tx: Tx) => Promise<T>) => forInstitution(db, institutionId, work);
  return {
    db,
    hrs,
    services,
    institutionId,
    connectionId,
    clock,
    log,
    query,
    async sync({ full = false } = {}) {
      const past = '2000-01-01T00:00:00.000Z';
      await query((tx) =>
        tx
          .updateTable('connection')
          .set({ sync_due_at: past, ...(full ? { full_pass_due_at: past } : {}) })
          .where('id', '=', connectionId)
          .execute(),
      );
      const claimed = await claimConnection(db);
      if (!claimed) throw new Error('the connection is not due');
      const result = await runSync(services, claimed.id, claimed.fence, new AbortController().signal);
      if (!result) throw new Error('the connection was taken over');
      return result;
    },
    connection: () =>
      query((tx) => tx.selectFrom('connection').selectAll().where('id', '=', connectionId).executeTakeFirstOrThrow()),
    appointment: (foreignId) =>
      query((tx) =>
        tx.selectFrom('appointment').selectAll().where('foreign_id', '=', foreignId).executeTakeFirstOrThrow(),
      ),
    patient: (foreignId) =>
      query((tx) => tx.selectFrom('patient').selectAll().where('foreign_id', '=', foreignId).executeTakeFirstOrThrow()),
    async events() {
      const rows = await query((tx) =>
        tx.selectFrom('event').selectAll().where('position', '>', position).orderBy('position').execute(),
      );
      position = rows.at(-1)?.position ?? position;
      return rows.map((row) => ({
        name: row.event_name,
        resourceId: row.resource_id,
        sequence: row.sequence,
        data: JSON.parse(row.data),
      }));
    },
    async close() {
      await connectors.close();
      // No later claim in a shared database may fall on this one.
      await query((tx) => tx.updateTable('connection').set({ paused: true }).execute());
      if (!shared) await database.close();
    },
  };
}

/** One location L1, a provider D1 and two patients P1 and P2. */
export function furnish(hrs: MemoryHrs): MemoryHrs {
  hrs.put(locationRecord('L1'));
  hrs.put(providerRecord('D1'));
  hrs.put(patientRecord('P1'));
  hrs.put(patientRecord('P2'));
  return hrs;
}
