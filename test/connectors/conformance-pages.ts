import assert from 'node:assert/strict';
import { z } from 'zod';
import { type Batch, HrsNonsense, Unavailable } from '../../src/connectors/connector.ts';
import { openPractice } from '../sync/practice.ts';
import { BAD_PAGES } from './bench.ts';
import { type Actions, collect, readAll, stateOf } from './bench-actions.ts';

/** Pages that lie, pages that move, and lists that are suddenly empty. */
export function pageTests({ bench, capabilities, faulty }: Actions): void {
  const connector = () => bench().connector;

  /** The first three requests, which often ask for different things; the last, and two between. */
  async function places(): Promise<Set<number>> {
    bench().faults.takeSent();
    await readAll(connector(), null);
    const requests = bench().faults.takeSent();
    const spread = [1, 2, 3].map((part) => Math.floor(((requests - 1) * part) / 3));
    return new Set([0, 1, 2, ...spread].filter((at) => at < requests));
  }

  /** A pass with something wrong in it: it may fail, and then nothing in it may have claimed to be the whole. */
  async function wrongPass(): Promise<Batch[]> {
    const batches: Batch[] = [];
    const failure = await collect(connector(), null, batches).catch((error) => error);
    bench().faults.clear();
    if (failure === undefined) return batches;
    assert.ok(failure instanceof Unavailable || failure instanceof HrsNonsense, String(failure));
    assert.ok(batches.every((batch) => !batch.complete));
    return batches;
  }

  /** What a pass from the beginning does not show is deleted here: one that says it was whole has to be. */
  async function assertNothingMissed(batches: readonly Batch[], where: string): Promise<void> {
    if (!batches.at(-1)?.complete) return;
    const shown = stateOf(batches.flatMap((batch) => batch.records));
    const whole = stateOf((await readAll(connector(), null)).records);
    const covered = [...whole].filter(([, { kind }]) => capabilities().readsCompletely.includes(kind));
    assert.deepEqual(
      covered.map(([id]) => id).filter((id) => !shown.has(id)),
      [],
      `${where}: missed, and called complete`,
    );
  }

  /** Whatever `batches` were, going on from the last position in them comes to what a clean pass says. */
  async function assertWhole(batches: readonly Batch[], where: string): Promise<void> {
    const cursor = batches.findLast((batch) => batch.cursor !== null)?.cursor ?? null;
    const next = await readAll(connector(), cursor);
    const known = stateOf([...batches.flatMap((batch) => batch.records), ...next.records]);
    const whole = stateOf((await readAll(connector(), null)).records);
    for (const [id, record] of whole) assert.deepEqual(known.get(id), record, `${where}: ${id}`);
    // What was deleted meanwhile is told of, or is missed by the passes to come.
    const left = [...known.keys()].filter((id) => !whole.has(id));
    if (capabilities().reportsDeletions) assert.deepEqual(left, [], where);
  }

  for (const [fault, what] of Object.entries(BAD_PAGES) as [keyof typeof BAD_PAGES, string][]) {
    faulty(fault, `comes to the truth in spite of ${what}`, async () => {
      const { desk, faults, patientId } = bench();
      for (const at of await places()) {
        faults.arm(fault, at);
        const appointmentId = await desk.addAppointment(await desk.takeFreeTime(), patientId);
        await desk.renamePatient(patientId, `${fault}${at}`);
        await desk.cancelAppointment(appointmentId);
        const batches = await wrongPass();
        await assertNothingMissed(batches, `request ${at}`);
        await assertWhole(batches, `request ${at}`);
      }
    });
  }

  faulty('movingPage', 'loses nothing of what moves while it is read', async () => {
    const { desk, faults } = bench();
    for (const at of await places()) {
      const [patientId] = (await desk.addPatients([`Moving${at}`])) as [string];
      const appointmentId = await desk.addAppointment(await desk.takeFreeTime(), patientId);
      const cancelledId = await desk.addAppointment(await desk.takeFreeTime(), patientId);
      const time = await desk.takeFreeTime();
      const moved = faults.meanwhile('reads', at, async () => {
        await desk.renamePatient(patientId, `Moved${at}`);
        await desk.addPatients([`Late${at}`]);
        await desk.addAppointment(time, patientId);
        await desk.cancelAppointment(cancelledId);
        await desk.deleteAppointment(appointmentId);
      });
      const batches = await wrongPass();
      if (moved.hits() > 0) await moved.done;
      await assertWhole(batches, `request ${at}`);
    }
  });

  faulty('emptyScope', 'takes empty lists for no deletion, and sync lets nothing go for them', async () => {
    const { faults, desk, patientId } = bench();
    await desk.addAppointment(await desk.takeFreeTime(), patientId);
    // The practice closes what it opened; this connector is the bench's.
    const connect = () => ({ ...connector(), close: async () => {} });
    const kind = { kind: 'benched', configSchema: z.unknown(), connect };
    const practice = await openPractice({ kind } as unknown as Parameters<typeof openPractice>[0]);
    try {
      assert.equal((await practice.sync({ full: true })).outcome, 'complete');
      const live = () =>
        practice.query(async (tx) => {
          const rows = await tx.selectFrom('appointment').select('id').where('deleted_at', 'is', null).execute();
          const people = await tx.selectFrom('patient').select('id').where('deleted_at', 'is', null).execute();
          return [rows.length, people.length];
        });
      const before = await live();
      assert.ok(before.every((count) => count > 0));
      faults.arm('emptyScope', 'every');
      for (let pass = 0; pass < 3; pass++) await practice.sync({ full: true });
      await practice.sync();
      assert.deepEqual(await live(), before);
      faults.clear();
      assert.equal((await practice.sync({ full: true })).outcome, 'complete');
      assert.deepEqual(await live(), before);
    } finally {
      await practice.close();
    }
  });
}
