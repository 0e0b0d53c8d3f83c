import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { type Budget, type Connector, QuotaSpent } from '../../src/connectors/connector.ts';
import { type Actions, collect, readAll } from './bench-actions.ts';

/** A budget that counts, and that can be spent. */
export interface CountedBudget extends Budget {
  isSpent: boolean;
  /** Calls since it was asked last. */
  takeCount(): number;
}

export function countedBudget(): CountedBudget {
  let count = 0;
  return {
    isSpent: false,
    async spend() {
      if (this.isSpent) throw new QuotaSpent('no call is left', 7_000);
      count++;
    },
    takeCount() {
      const counted = count;
      count = 0;
      return counted;
    },
  };
}

/** What the tests write about patients: none of it may stand in an error, which reaches logs. */
const PERSONAL =
  /Written|Ordinary|Renamed|Moved\d|Many\d|Late\d|Same\d|ada@example|1990-02-28|2125550123|first visit|latex/;

/** The same connector, which notes in `leaks` whatever it says about patients. */
export function overheard(connector: Connector, leaks: string[]): Connector {
  const note = (said: string | null) => {
    if (said !== null && PERSONAL.test(said)) leaks.push(said);
  };
  const { answerTo } = connector;
  async function listenTo<T>(work: Promise<T>, read: (result: T) => (string | null)[] = () => []): Promise<T> {
    try {
      const result = await work;
      read(result).forEach(note);
      return result;
    } catch (error) {
      note(`${error} ${(error as Error).cause ?? ''}`);
      throw error;
    }
  }
  const words = (result: Awaited<ReturnType<Connector['execute']>> | null) =>
    result?.outcome === 'refused' ? [result.message, result.hrsSaid] : [];
  return {
    ...connector,
    check: (signal) => listenTo(connector.check(signal), ({ message }) => [message]),
    execute: (write, signal) => listenTo(connector.execute(write, signal), words),
    find: (look, signal) => listenTo(connector.find(look, signal)),
    async *changes(cursor, signal) {
      try {
        yield* connector.changes(cursor, signal);
      } catch (error) {
        note(`${error} ${(error as Error).cause ?? ''}`);
        throw error;
      }
    },
    ...(answerTo ? { answerTo: (write, signal) => listenTo(answerTo(write, signal), words) } : {}),
  };
}

/** How it behaves towards the HRS, and what it says of patients. These come last: they look back on all the others. */
export function mannersTests(actions: Actions, budget: CountedBudget, leaks: readonly string[]): void {
  const { bench, capabilities, now, createAt, execute, faulty, able } = actions;
  const connector = () => bench().connector;

  async function lookAround(): Promise<void> {
    const foreignId = await bench().desk.addAppointment(await bench().desk.takeFreeTime(), bench().patientId);
    const { cursor } = await readAll(connector(), null);
    await readAll(connector(), cursor);
    await connector().find({ kind: 'appointment', foreignId }, now());
    await connector().find({ kind: 'patient', foreignId: bench().patientId }, now());
    if (capabilities().marker !== 'none') {
      await connector().find({ kind: 'appointment', marker: randomUUID() }, now());
    }
  }

  faulty('cutBeforeWork', 'writes nothing while it checks, reads and looks', async () => {
    const armed = bench().faults.arm('cutBeforeWork', 'every');
    assert.equal((await connector().check(now())).ok, true);
    await lookAround();
    assert.equal(armed.hits(), 0);
  });

  it('counts every call before it is made', async () => {
    bench().faults.takeSent();
    budget.takeCount();
    await lookAround();
    if (capabilities().createAppointment) await execute(createAt(await bench().desk.takeFreeTime()));
    assert.equal(budget.takeCount(), bench().faults.takeSent());
  });

  able(['createAppointment'], 'makes no call that is not left, and has no doubt about it', async () => {
    const write = createAt(await bench().desk.takeFreeTime());
    bench().faults.takeSent();
    budget.isSpent = true;
    try {
      await assert.rejects(connector().execute(write, now()), QuotaSpent);
      assert.equal(bench().faults.takeSent(), 0);
    } finally {
      budget.isSpent = false;
    }
  });

  faulty('silentRead', 'does not read without a call that is left', async () => {
    bench().faults.takeSent();
    budget.isSpent = true;
    try {
      await assert.rejects(collect(connector(), null, []), QuotaSpent);
      assert.equal(bench().faults.takeSent(), 0);
    } finally {
      budget.isSpent = false;
    }
  });

  it('has said nothing of a patient, whatever went wrong', () => {
    assert.deepEqual(leaks, []);
  });
}
