import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it, mock } from 'node:test';
import { type Batch, HrsNonsense, Unavailable } from '../../src/connectors/connector.ts';
import type { AppointmentRecord, HrsRecord, PatientRecord } from '../../src/domain/records.ts';
import { BAD_ANSWERS, type FaultName } from './bench.ts';
import { type Actions, collect, pick, readAll, stateOf, tooLong } from './bench-actions.ts';

/** The contract's bounds. */
const MAX_BATCH_RECORDS = 1_000;
const MAX_CURSOR_BYTES = 4_096;

const REFERRED_TO = ['location', 'provider', 'operatory'];

const SKEW_MS = 15 * 60_000;

const isHonest = (error: unknown) => error instanceof Unavailable || error instanceof HrsNonsense;

/** What a pass brings, and what may answer in place of the HRS. */
export function readingTests({ bench, capabilities, now, faulty }: Actions): void {
  const connector = () => bench().connector;
  const desk = () => bench().desk;

  it('checks a running HRS', async () => {
    const { ok, message } = await connector().check(now());
    assert.ok(ok, message);
    assert.match(message, /\w/);
  });

  faulty('poweredOff', 'checks an HRS that is off', async () => {
    await bench().faults.turnOff();
    const result = await connector().check(now());
    await bench().faults.turnOn();
    assert.equal(result.ok, false);
    assert.match(result.message, /\w/);
  });

  it('reads everything from the beginning, what is referred to first', async () => {
    const ids = await desk().addPatients(Array.from({ length: bench().morePatientsThanFit }, (_, i) => `Many${i}`));
    const { batches, records, cursor } = await readAll(connector(), null);
    const patients = new Set(records.filter((r) => r.kind === 'patient').map((r) => r.foreignId));
    assert.deepEqual(
      ids.filter((id) => !patients.has(id)),
      [],
    );
    assert.ok(cursor !== null);
    for (const batch of batches) assert.ok(batch.records.length <= MAX_BATCH_RECORDS);
    assert.deepEqual(
      batches.map((batch) => batch.complete),
      batches.map((_, i) => i === batches.length - 1),
    );
    const kinds = records.map((record) => record.kind);
    const firstOther = kinds.findIndex((kind) => !REFERRED_TO.includes(kind));
    const lastReferred = kinds.findLastIndex((kind) => REFERRED_TO.includes(kind));
    assert.ok(lastReferred < firstOther, `${kinds[lastReferred]} after ${kinds[firstOther]}`);
    for (const kind of REFERRED_TO.slice(0, 2)) assert.ok(kinds.includes(kind as HrsRecord['kind']), kind);
    if (!capabilities().readsAvailabilities) assert.ok(!kinds.includes('availability'));
  });

  it('says the same when nothing has happened', async () => {
    const said = async () => stateOf((await readAll(connector(), null)).records);
    assert.deepEqual(await said(), await said());
  });

  it('makes cursors that survive storage', async () => {
    const { cursor } = await readAll(connector(), null);
    assert.ok(JSON.stringify(cursor).length <= MAX_CURSOR_BYTES);
    assert.deepEqual(JSON.parse(JSON.stringify(cursor)), cursor);
    assert.equal((await readAll(connector(), JSON.parse(JSON.stringify(cursor)))).complete, true);
  });

  it('sees what people changed since', seesChanges);

  async function seesChanges(): Promise<void> {
    const { patientId } = bench();
    const time = await desk().takeFreeTime();
    const cancelledId = await desk().addAppointment(await desk().takeFreeTime(), patientId);
    const { cursor } = await readAll(connector(), null);
    const lastName = `Renamed${randomUUID().slice(0, 8)}`;
    await desk().renamePatient(patientId, lastName);
    const bookedId = await desk().addAppointment(time, patientId);
    await desk().cancelAppointment(cancelledId);

    const next = await readAll(connector(), cursor);
    const last = (foreignId: string) => next.records.findLast((record) => record.foreignId === foreignId);
    assert.equal((last(patientId) as PatientRecord | undefined)?.lastName, lastName);
    assert.equal((last(cancelledId) as AppointmentRecord | undefined)?.cancelled, true);
    const booked = last(bookedId) as AppointmentRecord;
    assert.deepEqual(
      pick(booked, 'startAt', 'endAt', 'providerForeignId', 'locationForeignId', 'patientForeignId', 'unavailable'),
      {
        ...pick(time, 'startAt', 'endAt', 'providerForeignId', 'locationForeignId'),
        patientForeignId: patientId,
        unavailable: false,
      },
    );

    // The position is true: reading on from it once more still gives the same latest state.
    const again = await readAll(connector(), next.cursor);
    for (const record of again.records) if (record.foreignId === bookedId) assert.deepEqual(record, booked);
  }

  for (const [fault, skewMs] of [
    ['clockAhead', -SKEW_MS],
    ['clockBehind', SKEW_MS],
  ] as const) {
    // What counts is the difference, and ours is the clock that can be set.
    faulty(
      fault,
      `sees what people changed, with ${skewMs < 0 ? 'their clock' : 'ours'} 15 minutes ahead`,
      async () => {
        mock.timers.enable({ apis: ['Date'], now: Date.now() + skewMs });
        try {
          await seesChanges();
        } finally {
          mock.timers.reset();
        }
      },
    );
  }

  it('loses none of many rows of one moment', async () => {
    const { cursor } = await readAll(connector(), null);
    const names = Array.from({ length: 30 }, (_, i) => `Same${i}`);
    const first = desk().addPatients(names);
    const between = await readAll(connector(), cursor);
    const ids = [...(await first), ...(await desk().addPatients(names))];
    const next = await readAll(connector(), between.cursor);
    const seen = new Set([...between.records, ...next.records].map((record) => record.foreignId));
    assert.deepEqual(
      ids.filter((id) => !seen.has(id)),
      [],
    );
  });

  faulty('deletion', 'lets go of what people deleted', async () => {
    const keptId = await desk().addAppointment(await desk().takeFreeTime(), bench().patientId);
    const goneId = await desk().addAppointment(await desk().takeFreeTime(), bench().patientId);
    const { cursor } = await readAll(connector(), null);
    await desk().deleteAppointment(goneId);
    const { records } = await readAll(connector(), cursor);
    const told = records.filter((record) => record.kind === 'deletion').map((record) => record.foreignId);
    assert.equal(told.includes(goneId), capabilities().reportsDeletions);
    assert.equal(told.includes(keptId), false);
    const whole = stateOf((await readAll(connector(), null)).records);
    if (!capabilities().readsCompletely.includes('appointment')) return;
    assert.ok(whole.has(`appointment ${keptId}`));
    assert.equal(whole.has(`appointment ${goneId}`), false);
  });

  faulty('recreatedId', 'takes an id that was deleted and made again for what stands there now', async () => {
    const [before, after] = [await desk().takeFreeTime(), await desk().takeFreeTime()];
    const foreignId = await desk().addAppointment(before, bench().patientId);
    const { records, cursor } = await readAll(connector(), null);
    await desk().deleteAppointment(foreignId);
    await desk().addAppointmentAgain(foreignId, after, bench().patientId);
    const next = await readAll(connector(), cursor);
    const known = stateOf([...records, ...next.records]).get(`appointment ${foreignId}`) as AppointmentRecord;
    assert.deepEqual(pick(known, 'startAt', 'cancelled'), { startAt: after.startAt, cancelled: false });
    assert.deepEqual(stateOf((await readAll(connector(), null)).records).get(`appointment ${foreignId}`), known);
  });

  /** A pass from the beginning: where it came to, and how many requests it took. */
  let whole: ReturnType<typeof measured> | null = null;
  async function measured() {
    bench().faults.takeSent();
    const { cursor } = await readAll(connector(), null);
    return { cursor, requests: bench().faults.takeSent() };
  }

  for (const [fault, what] of Object.entries(BAD_ANSWERS) as [keyof typeof BAD_ANSWERS, string][]) {
    faulty(fault, `never takes ${what} for the whole`, async () => {
      whole ??= measured();
      const { cursor, requests } = await whole;
      for (const at of new Set([0, Math.floor(requests / 2), requests - 1])) {
        const armed = bench().faults.arm(fault, at);
        const batches: Batch[] = [];
        const failure = await collect(connector(), at === 0 ? cursor : null, batches).catch((error) => error);
        bench().faults.clear();
        if (armed.hits() === 0) continue;
        assert.ok(isHonest(failure), `request ${at}: ${failure}`);
        assert.ok(batches.every((batch) => !batch.complete));
      }
    });
  }

  faulty('quotaAnswer', 'passes on how long the HRS asks to wait', async () => {
    bench().faults.arm('quotaAnswer', 0);
    await assert.rejects(collect(connector(), null, []), { name: 'Unavailable', retryAfterMs: 7_000 });
  });

  faulty('silentRead', 'gives up on an HRS that never answers, and at once when told to', async () => {
    bench().faults.arm('silentRead', 0);
    let startedMs = performance.now();
    await assert.rejects(collect(connector(), null, []), Unavailable);
    assert.ok(performance.now() - startedMs < tooLong(bench().timeoutMs));
    bench().faults.arm('silentRead', 0);
    startedMs = performance.now();
    await assert.rejects(collect(connector(), null, [], AbortSignal.timeout(20)), Unavailable);
    assert.ok(performance.now() - startedMs < bench().timeoutMs);
  });

  const blinding: FaultName[] = ['maintenance', 'emptyObject', 'serverError', 'cutRead', 'strangerNotFound'];
  for (const fault of blinding as (keyof typeof BAD_ANSWERS | 'strangerNotFound')[]) {
    faulty(fault, `throws instead of not finding: ${fault}`, async () => {
      bench().faults.arm(fault, 'every');
      if (fault !== 'strangerNotFound' && capabilities().marker !== 'none') {
        await assert.rejects(connector().find({ kind: 'appointment', marker: randomUUID() }, now()), isHonest);
      }
      await assert.rejects(connector().find({ kind: 'appointment', foreignId: 'some-id' }, now()), isHonest);
    });
  }
}
