/**
 * The messages of HRS and ours to them, as they were on the wire: sealed, each at a place of its own among those of its
 * connection. Whoever has read up to one place has read everything before it, because whoever stores holds the
 * connection's `message_head` until it has committed.
 */
import { type RawBuilder, sql, type Updateable } from 'kysely';
import type { StoredMessage, WireMessage } from '../domain/message.ts';
import { autocommitAll, type Database, forAll, readAll } from './database.ts';
import type { RawMessageTable } from './schema.ts';
import { type Seal, SealBroken } from './seal.ts';

export interface Arrival {
  connectionId: number;
  direction: StoredMessage['direction'];
  message: WireMessage;
}

/** `unknown`: the connection has gone. */
export type Stored = 'stored' | 'repeated' | 'unknown';

/** What is read at a time stays in memory until it has been looked through. */
const MAX_READ_BYTES = 16_000_000;
const MAX_READ_MESSAGES = 1_000;
/** An appointment with more of them is a feed gone wrong; what it is now, the newest say. */
const MAX_ABOUT_ONE = 100;
/** The columns hold no more. */
const MAX_PROBLEM_LENGTH = 500;

const placeOf = (connectionId: number, digest: Buffer) =>
  `connection ${connectionId} message ${digest.toString('hex')}`;

/**
 * Stores messages of any connections in the order given, durably when it resolves: all of them or none. What a
 * connection already has is not stored again.
 */
export async function storeMessages(db: Database, seal: Seal, arrivals: readonly Arrival[]): Promise<Stored[]> {
  const outcomes = await insert(db, seal, arrivals);
  const headless = arrivals.filter((_, at) => outcomes[at] === null);
  if (headless.length === 0) return outcomes as Stored[];
  // Connections that have never had a message, or that have gone.
  await addHeads(db, headless);
  const late = await insert(db, seal, headless);
  return outcomes.map((outcome) => outcome ?? late.shift() ?? 'unknown');
}

/**
 * One statement, because under load each round trip more would cost as much as the work itself. Null for a connection
 * without a head. A place is taken for what turns out to be there already, so places have gaps: a look for it before
 * would be planned once, for a table that is still small.
 */
async function insert(db: Database, seal: Seal, arrivals: readonly Arrival[]): Promise<(Stored | null)[]> {
  const column = <T>(type: string, value: (arrival: Arrival) => T) =>
    sql`cast(${arrivals.map(value)} as ${sql.raw(type)}[])`;
  const connectionIds = column('bigint', ({ connectionId }) => connectionId);
  const columns = [
    connectionIds,
    column('text', ({ direction }) => direction),
    column('bytea', ({ message }) => message.digest),
    column('text', ({ message }) => message.controlId),
    column('text', ({ message }) => message.type),
    column('text', ({ message }) => message.appointmentRef),
    column('text', ({ message }) => message.patientRef),
    column('timestamptz', ({ message }) => message.sentAt),
    column('bytea', ({ connectionId, message: { body, digest } }) => seal.close(body, placeOf(connectionId, digest))),
  ];
  const { rows } = await autocommitAll(db, (tx) =>
    sql<{ outcome: Stored | null }>`
      with head as (
        select * from message_head where connection_id = any(${connectionIds}) order by connection_id for update
      ), given as (
        select *, row_number() over (partition by connection_id order by place) as nth
        from unnest(${sql.join(columns)}) with ordinality as
          t (connection_id, direction, digest, control_id, type, appointment_ref, patient_ref, sent_at, body, place)
      ), moved as (
        update message_head set position = message_head.position + added.count
        from (select connection_id, count(*) as count from given join head using (connection_id) group by connection_id) added
        where message_head.connection_id = added.connection_id
      ), stored as (
        insert into raw_message (institution_id, connection_id, position, direction, digest, control_id, type,
          appointment_ref, patient_ref, sent_at, stored_at, body)
        select institution_id, connection_id, position + nth, direction, digest, control_id, type, appointment_ref,
          patient_ref, sent_at, clock_timestamp(), body
        from given join head using (connection_id) order by place
        on conflict (connection_id, digest) do nothing
        returning connection_id, position
      )
      select case when head.connection_id is null then null when stored.position is null then 'repeated' else 'stored' end
        as outcome
      from given left join head using (connection_id)
        left join stored on stored.connection_id = given.connection_id and stored.position = head.position + nth
      order by place`.execute(tx),
  );
  return rows.map(({ outcome }) => outcome);
}

async function addHeads(db: Database, arrivals: readonly Arrival[]): Promise<void> {
  const ids = [...new Set(arrivals.map(({ connectionId }) => connectionId))];
  await autocommitAll(db, (tx) =>
    sql`
      insert into message_head (institution_id, connection_id)
      select institution_id, id from connection where id = any(cast(${ids} as bigint[])) order by id
      on conflict do nothing`.execute(tx),
  );
}

interface Row extends Omit<StoredMessage, 'body'> {
  body: Buffer | null;
}

const COLUMNS = sql.raw(`position, direction, digest, control_id as "controlId", type,
  appointment_ref as "appointmentRef", patient_ref as "patientRef", sent_at as "sentAt", stored_at as "storedAt", body`);

/**
 * The messages of one connection, for its connector. Bodies are empty once they are past their time, and where they
 * were sealed under a key that we no longer have.
 */
export function messagesOf(db: Database, seal: Seal, connectionId: number) {
  const read = async (query: RawBuilder<Row>): Promise<StoredMessage[]> => {
    const { rows } = await readAll(db, (tx) => query.execute(tx));
    return rows.map((row) => ({ ...row, body: openBody(seal, connectionId, row) ?? Buffer.alloc(0) }));
  };
  const note = async (position: number, set: Updateable<RawMessageTable>): Promise<void> => {
    await forAll(db, (tx) =>
      tx
        .updateTable('raw_message')
        .set(set)
        .where('connection_id', '=', connectionId)
        .where('position', '=', position)
        .execute(),
    );
  };
  return {
    /** Of those whose bodies are still kept; fewer than `limit` when they are large, none when there are none. */
    after: (position: number, limit: number) =>
      read(sql`
        select ${COLUMNS} from (
          select *, sum(length(body)) over (order by position) - length(body) as bytes_before from (
            select * from raw_message
            where connection_id = ${connectionId} and position > ${position} and body is not null
            order by position limit ${Math.min(limit, MAX_READ_MESSAGES)}) next) bounded
        where bytes_before < ${MAX_READ_BYTES} order by position`),

    about: ({ appointments = [], patients = [] }: { appointments?: string[]; patients?: string[] }) => {
      const newestOf = (column: 'appointment_ref' | 'patient_ref', refs: string[]) => sql`
        select found.position from unnest(cast(${refs} as text[])) as wanted (ref), lateral (
          select position from raw_message
          where connection_id = ${connectionId} and ${sql.ref(column)} = wanted.ref
          order by position desc limit ${MAX_ABOUT_ONE}) found`;
      return read(sql`
        select ${COLUMNS} from (
          select *, sum(length(body)) over (order by position desc) as bytes from raw_message
          where connection_id = ${connectionId} and position = any(array(
            ${newestOf('appointment_ref', appointments)} union ${newestOf('patient_ref', patients)}
            order by position desc limit ${MAX_READ_MESSAGES}))) newest
        where bytes is null or bytes < ${MAX_READ_BYTES} order by position`);
    },

    async keepSent(message: WireMessage): Promise<void> {
      await storeMessages(db, seal, [{ connectionId, direction: 'out', message }]);
    },

    noteProblem: (position: number, problem: string | null) =>
      note(position, { problem: problem?.slice(0, MAX_PROBLEM_LENGTH) ?? null }),

    noteRefs: (position: number, { appointmentRef, patientRef }: Pick<WireMessage, 'appointmentRef' | 'patientRef'>) =>
      note(position, { appointment_ref: appointmentRef, patient_ref: patientRef }),
  };
}

/** Null when it is past its time, or no key of ours opens it. */
export function openBody(
  seal: Seal,
  connectionId: number,
  { digest, body }: { digest: Buffer; body: Buffer | null },
): Buffer | null {
  try {
    return body && seal.open(body, placeOf(connectionId, digest));
  } catch (error) {
    if (error instanceof SealBroken) return null;
    throw error;
  }
}
