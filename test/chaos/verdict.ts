/** What must be true once everything has come to rest. Each finding is one line with its evidence. */
import { sql } from 'kysely';
import { type Database, forAll } from '../../src/store/database.ts';
import type { Body } from '../harness/program.ts';
import type { ReceivedRequest } from '../harness/receiver.ts';
import type { Memory } from './actors.ts';

/** The whole practice as it truly is, read page by page without faults. */
export interface Practice {
  visits: Body[];
  blocks: Body[];
  patients: Body[];
  alerts: Body[];
}

export async function readPractice(sandboxUrl: string): Promise<Practice> {
  const all = async (collection: string) => {
    const items: Body[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const response = await fetch(`${sandboxUrl}/v1/${collection}?limit=1000&after=${after}`, {
        headers: { 'x-sandbox-key': 'sandbox' },
      });
      const page: Body = await response.json();
      items.push(...page.items);
      after = page.next;
    }
    return items;
  };
  return {
    visits: await all('visits'),
    blocks: await all('blocks'),
    patients: await all('patients'),
    alerts: await all('alerts'),
  };
}

interface Booking {
  id: number;
  marker: string;
  foreign_id: string | null;
  unavailable: boolean;
  cancelled: boolean;
  state: string;
  creates: number;
  insertions: string[];
  history: unknown;
  hrs_said: string | null;
  reason_code: string | null;
}

/** Every booking made here has ended once, and the practice holds it exactly as often as its end says. */
export async function judgeBookings(db: Database, practice: Practice, memory: Memory): Promise<string[]> {
  const { rows } = await forAll(db, (tx) =>
    sql<Booking>`
      select a.id, a.marker, a.foreign_id, a.unavailable, a.cancelled, c.state, c.history, c.hrs_said, c.reason_code,
        (select count(*) from command o where o.appointment_id = a.id and o.kind = 'create') as creates,
        array(select e.event_name from event e where e.institution_id = a.institution_id and e.resource_type = 'Appointment'
          and e.resource_id = a.id and e.event = 'appointment_insertion' order by e.position) as insertions
      from appointment a join command c on c.appointment_id = a.id and c.kind = 'create'
      order by a.id`.execute(tx),
  );
  const findings: string[] = [];
  const copies = Map.groupBy([...practice.visits, ...practice.blocks], (record) => record.external_ref ?? '');
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const [key, ids] of memory.idsByKey) {
    if (ids.size !== 1) findings.push(`Idempotency-Key ${key} was answered with ${[...ids].join(' and ')}`);
    for (const id of ids) if (!byId.has(id)) findings.push(`booking ${id} was accepted and is not there`);
  }
  for (const row of rows) {
    const evidence = () =>
      `(${row.marker} ${row.reason_code ?? ''} ${row.hrs_said ?? ''} ${JSON.stringify(row.history)})`;
    if (row.creates !== 1) findings.push(`booking ${row.id} has ${row.creates} creates`);
    if (row.insertions.join() !== `appointment_insertion.${row.state}`)
      findings.push(`booking ${row.id} is ${row.state} and has the events [${row.insertions}] ${evidence()}`);
    if (row.state === 'incomplete') continue;
    const found = copies.get(row.marker)?.length ?? 0;
    // A block that is cancelled is erased.
    const wanted = row.state === 'complete' ? (row.unavailable && row.cancelled ? 0 : 1) : 0;
    if (found !== wanted)
      findings.push(
        `booking ${row.id} is ${row.state}, and the practice holds it ${found} times ${JSON.stringify(copies.get(row.marker))} ${evidence()}`,
      );
  }
  const people = Map.groupBy(
    practice.patients.filter(({ external_ref }) => external_ref),
    ({ external_ref }) => external_ref,
  );
  for (const [marker, twins] of people) {
    if (twins.length > 1) findings.push(`patient ${marker} is in the practice ${twins.length} times`);
  }
  return findings;
}

interface Alert {
  id: number;
  marker: string;
  disabled: boolean;
  deleted: boolean;
  state: string;
  history: unknown;
}

/** Every alert made here has ended once, and the practice holds it as its end says, disabled or not. */
export async function judgeAlerts(db: Database, practice: Practice): Promise<string[]> {
  const { rows } = await forAll(db, (tx) =>
    sql<Alert>`
      select a.id, a.marker, a.disabled_at is not null as disabled, a.deleted_at is not null as deleted, c.state, c.history
      from patient_alert a join command c on c.patient_alert_id = a.id and c.kind = 'create_alert' order by a.id`.execute(
      tx,
    ),
  );
  const copies = Map.groupBy(practice.alerts, ({ external_ref }) => external_ref);
  return rows.flatMap(({ id, marker, disabled, deleted, state, history }) => {
    if (state === 'incomplete') return [];
    const found = copies.get(marker) ?? [];
    const about = `alert ${id} is ${state}, disabled: ${disabled}, deleted: ${deleted}; the practice holds ${JSON.stringify(found)} (${JSON.stringify(history)})`;
    if (state !== 'complete') return found.length === 0 && deleted ? [] : [about];
    return found.length === 1 && !deleted && (found[0].off_since !== null) === disabled ? [] : [about];
  });
}

interface MirrorRow {
  id: number;
  foreign_id: string;
  start_at: string;
  end_at: string;
  note: string | null;
  cancelled: boolean;
  confirmed: boolean;
  missing_passes: number;
}

/** What we show is what the practice holds. */
export async function judgeMirror(db: Database, practice: Practice): Promise<string[]> {
  const rows = await forAll(db, (tx) =>
    tx
      .selectFrom('appointment')
      .select(['id', 'foreign_id', 'start_at', 'end_at', 'note', 'cancelled', 'confirmed', 'missing_passes'])
      .where('foreign_id', 'is not', null)
      .where('deleted_at', 'is', null)
      .execute(),
  );
  const shown = new Map((rows as MirrorRow[]).map((row) => [row.foreign_id, row]));
  const held = new Map<string, Omit<MirrorRow, 'id' | 'foreign_id' | 'missing_passes'>>();
  for (const visit of practice.visits) {
    const cancelled = visit.state === 'broken' || visit.state === 'deleted';
    const confirmed = visit.confirmation === 'confirmed';
    const { start: start_at, end: end_at, note } = visit;
    held.set(String(visit.id), { start_at, end_at, note, cancelled, confirmed });
  }
  for (const block of practice.blocks) {
    const ours = {
      start_at: block.start,
      end_at: block.end,
      note: block.reason,
      cancelled: false,
      confirmed: false,
    };
    held.set(`block/${block.id}`, ours);
  }
  const findings: string[] = [];
  for (const [foreignId, truth] of held) {
    const row = shown.get(foreignId);
    if (!row) {
      findings.push(`${foreignId} is in the practice and not shown`);
      continue;
    }
    for (const field of ['start_at', 'end_at', 'note', 'cancelled', 'confirmed'] as const) {
      if (row[field] !== truth[field])
        findings.push(
          `appointment ${row.id} (${foreignId}): ${field} is ${row[field]}, in the practice ${truth[field]}`,
        );
    }
  }
  for (const [foreignId, row] of shown) {
    if (!held.has(foreignId))
      findings.push(
        `appointment ${row.id} (${foreignId}) is shown and not in the practice (missing_passes ${row.missing_passes})`,
      );
  }
  return findings;
}

/** Every event after `position` was delivered, and each resource's in their order. */
export async function judgeWebhooks(
  db: Database,
  requests: readonly ReceivedRequest[],
  events: readonly string[],
  position: number,
): Promise<string[]> {
  const { rows } = await forAll(db, (tx) =>
    sql<{ id: string; position: number; resource: string; event_name: string }>`
      select id, position, resource_type || ' ' || resource_id as resource, event_name from event
      where position > ${position} and event = any(${events}) order by position`.execute(tx),
  );
  const findings: string[] = [];
  const receivedAt = new Map<string, number>();
  for (const [at, { headers }] of requests.entries()) {
    const id = String(headers['webhook-id']);
    if (!receivedAt.has(id)) receivedAt.set(id, at);
  }
  const latest = new Map<string, { at: number; position: number }>();
  for (const event of rows) {
    const at = receivedAt.get(event.id);
    if (at === undefined) {
      findings.push(`event ${event.position} (${event.event_name} of ${event.resource}) was never delivered`);
      continue;
    }
    const before = latest.get(event.resource);
    if (before && before.at > at)
      findings.push(`events ${before.position} and ${event.position} of ${event.resource} came in the wrong order`);
    latest.set(event.resource, { at, position: event.position });
  }
  return findings;
}
