/** An institution with an API user, endpoints and events, in a database of its own. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../src/clock.ts';
import { type Database, forAll, forInstitution, openDatabase } from '../../src/store/database.ts';
import type { DeliveryRow } from '../../src/store/schema.ts';
import { openEndpointSecret } from '../../src/store/secrets.ts';
import { createEndpoint, type Endpoint } from '../../src/webhooks/endpoint.ts';
import { type NewEvent, recordEvents } from '../../src/webhooks/event.ts';
import { subscribe } from '../../src/webhooks/subscription.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { SEAL } from '../harness/seal.ts';

export interface TestClock extends Clock {
  advance(ms: number): void;
}

/** Runs like the real one, and jumps when told. */
export function createTestClock(): TestClock {
  let offsetMs = 0;
  return {
    nowMs: () => Date.now() + offsetMs,
    advance(ms) {
      offsetMs += ms;
    },
  };
}

export interface Practice {
  db: Database;
  database: TestDatabase;
  institutionId: number;
  subdomain: string;
  apiUserId: number;
  addUser(institutionIds: number[]): Promise<number>;
  addInstitution(): Promise<{ id: number; subdomain: string }>;
  /** An endpoint, its secret opened, that subscribes to `events`, by default to everything the tests make. */
  addEndpoint(targetUrl: string, events?: string[]): Promise<Endpoint>;
  record(...events: NewEvent[]): Promise<number>;
  deliveries(): Promise<DeliveryRow[]>;
  attempts(): Promise<{ delivery_id: number; status_code: number | null; error_code: string | null }[]>;
  endpoint(id: number): Promise<Endpoint>;
  close(): Promise<void>;
}

/** An event about appointment `resourceId`. */
export function appointmentUpdated(resourceId: number, sequence: number, values: Partial<NewEvent> = {}): NewEvent {
  return {
    resourceType: 'Appointment',
    resourceId,
    sequence,
    event: 'appointment_updated',
    data: { appointment: { id: resourceId, note: 'Zoë "quoted" \\ \u2028 😀' } },
    ...values,
  };
}

export async function createPractice(): Promise<Practice> {
  const database = await createTestDatabase();
  const db = openDatabase(database.connection, 10, () => {});

  const addInstitution = async () => {
    const subdomain = `practice-${randomUUID().slice(0, 8)}`;
    const { id } = await forAll(db, (tx) =>
      tx.insertInto('institution').values({ name: 'A practice', subdomain }).returning('id').executeTakeFirstOrThrow(),
    );
    return { id, subdomain };
  };
  const addUser = (institutionIds: number[]) =>
    forAll(db, async (tx) => {
      const { id } = await tx
        .insertInto('api_user')
        .values({ name: 'an app' })
        .returning('id')
        .executeTakeFirstOrThrow();
      for (const institutionId of institutionIds) {
        await tx
          .insertInto('api_user_institution')
          .values({ api_user_id: id, institution_id: institutionId })
          .execute();
      }
      return id;
    });

  const institution = await addInstitution();
  const apiUserId = await addUser([institution.id]);

  return {
    db,
    database,
    institutionId: institution.id,
    subdomain: institution.subdomain,
    apiUserId,
    addUser,
    addInstitution,
    addEndpoint: (targetUrl, events = ['appointment_insertion', 'appointment_created', 'appointment_updated']) =>
      forAll(db, async (tx) => {
        const endpoint = await createEndpoint(tx, SEAL, apiUserId, { targetUrl, active: true });
        for (const event of events) {
          const values = { endpointId: endpoint.id, institutionId: institution.id, resourceType: 'Appointment', event };
          await subscribe(tx, { ...values, active: true, version: 'v2' }, Date.now());
        }
        return { ...endpoint, secret_key: openEndpointSecret(SEAL, endpoint) };
      }),
    record: (...events) => forInstitution(db, institution.id, (tx) => recordEvents(tx, institution.id, events)),
    deliveries: () => forAll(db, (tx) => tx.selectFrom('delivery').selectAll().orderBy('id').execute()),
    attempts: () =>
      forAll(db, (tx) =>
        tx.selectFrom('delivery_attempt').select(['delivery_id', 'status_code', 'error_code']).orderBy('id').execute(),
      ),
    endpoint: (id) =>
      forAll(db, (tx) => tx.selectFrom('webhook_endpoint').selectAll().where('id', '=', id).executeTakeFirstOrThrow()),
    async close() {
      await db.close();
      await database.drop();
    },
  };
}

/** Looks again and again until `condition` holds; fails after `timeoutMs` with what was wanted. */
export async function until(what: string, condition: () => Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const endsAtMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > endsAtMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
