/**
 * An HRS of a few records in memory that does with each write what the next line of its script says, and a worker
 * that carries the open commands of a practice into it, without waiting for anything.
 */
import { toIso } from '../../src/clock.ts';
import { runCommand } from '../../src/commands/run.ts';
import {
  type Connector,
  OutcomeUnknown,
  QuotaSpent,
  Unavailable,
  type Write,
  type WriteResult,
} from '../../src/connectors/connector.ts';
import type { AppointmentRecord, PatientAlertRecord } from '../../src/domain/records.ts';
import { createMetrics } from '../../src/metrics.ts';
import { forAll } from '../../src/store/database.ts';
import type { AppointmentRow, CommandRow } from '../../src/store/schema.ts';
import { ALL_CAPABILITIES, type Api } from '../harness/api.ts';

/**
 * `lose`: done, and no answer. `drop`: neither. `off`: certainly not done. `busy`: neither, and it says so. `lie`: "done", and not done. `accept`: taken,
 * and done or refused when `answer` says so. `spent`: not asked, for our limits have no call left for 90 s.
 */
export type Reply = 'do' | 'lose' | 'drop' | 'off' | 'busy' | 'lie' | 'refuse' | 'accept' | 'spent';

type Answer = Exclude<WriteResult, { outcome: 'accepted' }>;

const REFUSED = {
  outcome: 'refused',
  reason: 'refused_by_hrs',
  message: 'no',
  retryable: false,
  hrsSaid: 'no',
} as const satisfies WriteResult;

export function createScriptedHrs() {
  const visits = new Map<string, AppointmentRecord>();
  const alerts = new Map<string, PatientAlertRecord>();
  const script: Reply[] = [];
  const sent: Write[] = [];
  const answers = new Map<string, Answer>();
  const hrs = {
    visits,
    alerts,
    /** What the next writes meet; after its end, everything is done. */
    script,
    /** Every write that was tried. */
    sent,
    /** Called after the next write has met its reply: what staff do at that moment. */
    meanwhile: null as (() => void) | null,
    canBeRead: true,
    /** Says at last what becomes of a write that was only accepted. */
    answer(write: Write, verdict: 'do' | 'refuse') {
      answers.set(write.marker, verdict === 'do' ? { outcome: 'done', foreignId: perform(write) } : REFUSED);
    },
    connector: {
      capabilities: { ...ALL_CAPABILITIES, settleMs: 0 },
      async execute(write) {
        sent.push(write);
        const reply = script.shift() ?? 'do';
        const foreignId =
          reply === 'do' || reply === 'lose' ? perform(write) : 'foreignId' in write ? write.foreignId : '0';
        hrs.meanwhile?.();
        hrs.meanwhile = null;
        if (reply === 'off') throw new Unavailable('connection refused');
        if (reply === 'busy') throw new Unavailable('could not', null, { hrsSaid: 'AE' });
        if (reply === 'spent') throw new QuotaSpent('no call is left', 90_000);
        if (reply === 'lose' || reply === 'drop') throw new OutcomeUnknown('no answer');
        if (reply === 'refuse') return REFUSED;
        return reply === 'accept' ? { outcome: 'accepted' } : { outcome: 'done', foreignId };
      },
      async answerTo(write) {
        if (!hrs.canBeRead) throw new Unavailable('connection refused');
        return answers.get(write.marker) ?? null;
      },
      async find(look) {
        if (!hrs.canBeRead) throw new Unavailable('connection refused');
        const records = look.kind === 'patient_alert' ? [...alerts.values()] : [...visits.values()];
        return records.filter((record) =>
          'marker' in look ? record.marker === look.marker : record.foreignId === look.foreignId,
        );
      },
    } as Partial<Connector> as Connector,
  };

  function perform(write: Write): string {
    if (write.kind === 'create_alert') {
      const foreignId = `N${alerts.size + 1}`;
      const { patientForeignId, note } = write.alert;
      const { marker } = write;
      alerts.set(foreignId, { kind: 'patient_alert', foreignId, marker, patientForeignId, note, disabledAt: null });
      return foreignId;
    }
    if (write.kind === 'change_alert') {
      const alert = alerts.get(write.foreignId) as PatientAlertRecord;
      alert.disabledAt = write.disabled ? '2026-03-02T12:00:30.000Z' : null;
      return write.foreignId;
    }
    const foreignId = (write as { foreignId: string }).foreignId;
    const visit = visits.get(foreignId) as AppointmentRecord;
    if (write.kind === 'update') Object.assign(visit, write.changes);
    if (write.kind === 'confirm') visit.confirmed = true;
    if (write.kind === 'cancel') visit.cancelled = true;
    return foreignId;
  }
  return hrs;
}

export type ScriptedHrs = ReturnType<typeof createScriptedHrs>;

/** Puts an appointment of ours into the HRS as it stands. */
export function putVisit(
  hrs: ScriptedHrs,
  row: AppointmentRow,
  operatoryForeignId: string | null = null,
): AppointmentRecord {
  const foreignId = row.foreign_id as string;
  hrs.visits.set(foreignId, {
    kind: 'appointment',
    foreignId,
    marker: row.marker,
    locationForeignId: 'L1',
    patientForeignId: 'A1',
    providerForeignId: 'D1',
    operatoryForeignId,
    descriptorForeignIds: [],
    startAt: row.start_at,
    endAt: row.end_at,
    unavailable: row.unavailable,
    note: row.note,
    confirmed: row.confirmed,
    confirmedAt: row.confirmed_at,
    cancelled: row.cancelled,
    cancelledAt: row.cancelled_at,
    patientMissed: row.patient_missed,
    checkinAt: row.checkin_at,
    checkedOut: row.checked_out,
    checkedOutAt: row.checked_out_at,
  });
  return hrs.visits.get(foreignId) as AppointmentRecord;
}

/**
 * Runs open commands in their order, whether due or not, until none is open or `rounds` have been run. Each round is
 * a minute of the clock, unless `minutes` says otherwise.
 */
export async function work(
  api: Api,
  hrs: ScriptedHrs,
  clock: { ms: number },
  { rounds = 20, minutes = 1 } = {},
): Promise<void> {
  const { db, log, wakeups, connectorKinds } = api.services;
  const services = {
    db,
    clock: api.services.clock,
    log,
    wakeups,
    kinds: connectorKinds,
    connectorOf: () => hrs.connector,
    metrics: createMetrics(),
  };
  for (let round = 0; round < rounds; round += 1) {
    const command = await claimFirst(api, clock);
    if (!command) return;
    await runCommand(services, command, new AbortController().signal);
    clock.ms += minutes * 60_000;
  }
}

function claimFirst({ db }: Api, clock: { ms: number }): Promise<CommandRow | undefined> {
  return forAll(db, (tx) =>
    tx
      .updateTable('command')
      .set((eb) => ({ fence: eb('fence', '+', 1), lease_until: toIso(clock.ms) }))
      .where('id', '=', (eb) =>
        eb
          .selectFrom('command as open')
          .select('open.id')
          .where('open.finished_at', 'is', null)
          .orderBy('open.sequence')
          .orderBy('open.id')
          .limit(1),
      )
      .returningAll()
      .executeTakeFirst(),
  );
}
