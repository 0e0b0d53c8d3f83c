import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it, mock } from 'node:test';
import { setTimeout as pause, setImmediate as soon } from 'node:timers/promises';
import fc from 'fast-check';
import { ALONE, type Connector, type Purpose, QuotaSpent } from '../../src/connectors/connector.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openBudgets } from '../../src/sync/budget.ts';
import { openConnectors } from '../../src/sync/connectors.ts';
import { SEAL } from '../harness/seal.ts';
import { appointmentRecord, createMemoryHrs } from './memory-hrs.ts';
import { furnish, openPractice, openSharedDatabase, type Practice, type SharedDatabase } from './practice.ts';

const HOUR_MS = 3_600_000;

let shared: SharedDatabase;
let practice: Practice;

before(async () => {
  shared = await openSharedDatabase();
  await awayFromTheEndOf(HOUR_MS, 15_000);
});
beforeEach(async () => {
  practice = await openPractice(furnish(createMemoryHrs({ pageSize: 10 })), shared);
});
afterEach(() => practice.close());
after(() => shared.close());

/** No window shall end in the middle of a test. */
async function awayFromTheEndOf(windowMs: number, marginMs: number): Promise<void> {
  const leftMs = windowMs - (Date.now() % windowMs);
  if (leftMs < marginMs) await pause(leftMs);
}

type LimitColumn = 'calls_per_minute' | 'calls_per_hour' | 'calls_per_month';
const limit = (limits: Partial<Record<LimitColumn, number | null>>) =>
  practice.query((tx) => tx.updateTable('connection').set(limits).where('id', '=', practice.connectionId).execute());
const use = () =>
  practice.query((tx) =>
    tx.selectFrom('call_use').selectAll().where('connection_id', '=', practice.connectionId).executeTakeFirst(),
  );
/** As if the windows that are under way had begun so much earlier. */
const letPass = (ms: number) =>
  practice.query(async (tx) => {
    const row = await tx.selectFrom('call_use').selectAll().executeTakeFirstOrThrow();
    const earlier = (text: string) => new Date(Date.parse(text) - ms).toISOString();
    await tx
      .updateTable('call_use')
      .set({
        minute_began_at: earlier(row.minute_began_at),
        hour_began_at: earlier(row.hour_began_at),
        month_began_at: earlier(row.month_began_at),
      })
      .execute();
  });

/** How many of `calls` there was room for; what was refused says for how long. */
async function spend(budget: { spend(purpose: Purpose): Promise<void> }, purpose: Purpose, calls: number) {
  const results = await Promise.allSettled(Array.from({ length: calls }, () => budget.spend(purpose)));
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    assert.ok(result.reason instanceof QuotaSpent, String(result.reason));
    assert.ok((result.reason.retryAfterMs ?? 0) > 0);
  }
  return results.filter(({ status }) => status === 'fulfilled').length;
}

describe('a budget', () => {
  const budgetOf = () => openBudgets(shared.db).of(practice.connectionId);

  it('counts nothing without a limit, and hears of one within a second', async () => {
    const budget = budgetOf();
    assert.equal(await spend(budget, 'far', 50), 50);
    assert.equal(await use(), undefined);
    await limit({ calls_per_hour: 1 });
    const deadlineMs = Date.now() + 1_500;
    while ((await spend(budget, 'write', 1)) === 1) assert.ok(Date.now() < deadlineMs);
    assert.equal((await use())?.hour_calls, 1);
  });

  it('is exact when several processes spend at once', async () => {
    const other = openDatabase(shared.db.pool.options, 4, () => {});
    try {
      await limit({ calls_per_hour: 20 });
      const [one, two] = [budgetOf(), openBudgets(other).of(practice.connectionId)];
      const spent = await Promise.all([spend(one, 'write', 20), spend(two, 'write', 20)]);
      assert.equal(spent[0] + spent[1], 20);
      assert.equal((await use())?.hour_calls, 20);
    } finally {
      await other.close();
    }
  });

  it('refuses reading everything first, then what changes, writes last', async () => {
    await limit({ calls_per_hour: 40 });
    const budget = budgetOf();
    assert.equal(await spend(budget, 'far', 30), 24);
    assert.equal(await spend(budget, 'near', 30), 10);
    assert.equal(await spend(budget, 'far', 1), 0);
    assert.equal(await spend(budget, 'write', 30), 6);
    const { reads, hour_calls } = (await use()) ?? {};
    assert.deepEqual([reads, hour_calls], [34, 40]);
  });

  it('says until when, in plain words', async () => {
    await limit({ calls_per_hour: 1 });
    const budget = budgetOf();
    await budget.spend('near');
    const error = await budget.spend('write').catch((reason) => reason);
    const until = new Date(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS).toISOString();
    assert.equal(error.message, `The limit of 1 calls an hour leaves none for writing until ${until}.`);
    assert.ok(Math.abs(error.retryAfterMs - (Date.parse(until) - Date.now())) < 2_000);
  });

  it('begins anew with the window, and counts the longer ones on', async () => {
    await limit({ calls_per_hour: 5, calls_per_month: 8 });
    const budget = budgetOf();
    assert.equal(await spend(budget, 'write', 9), 5);
    await practice.query((tx) =>
      tx.updateTable('call_use').set({ hour_began_at: '2026-01-01T00:00:00.000Z' }).execute(),
    );
    assert.equal(await spend(budget, 'write', 9), 3, 'the month has no more');
    const { hour_calls, month_calls } = (await use()) ?? {};
    assert.deepEqual([hour_calls, month_calls], [3, 8]);
    await letPass(32 * 24 * HOUR_MS);
    assert.equal(await spend(budget, 'write', 9), 5);
  });

  it('is not held back by a clock that was put back', async () => {
    await limit({ calls_per_hour: 2 });
    const budget = budgetOf();
    assert.equal(await spend(budget, 'write', 3), 2);
    await letPass(-5 * HOUR_MS);
    assert.equal(await spend(budget, 'write', 3), 2);
  });

  it('lets two passes wait where they stand for the next minute, no third one and no write', async () => {
    await awayFromTheEndOf(60_000, 2_000);
    await limit({ calls_per_minute: 10 });
    const budgets = openBudgets(shared.db);
    const budget = budgets.of(practice.connectionId);
    while ((await spend(budget, 'write', 10)) > 0);
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const passes = (['near', 'far', 'near'] as const).map((purpose) =>
        budgets
          .of(practice.connectionId)
          .spend(purpose)
          .then(
            () => 'went on',
            (error) => error.name,
          ),
      );
      assert.equal(await Promise.race(passes), 'QuotaSpent');
      await assert.rejects(budget.spend('write'), QuotaSpent);
      await letPass(60_000);
      let ends: string[] | null = null;
      void Promise.all(passes).then((all) => {
        ends = all;
      });
      while (ends === null) {
        mock.timers.tick(1_000);
        await soon();
      }
      assert.deepEqual((ends as string[]).toSorted(), ['QuotaSpent', 'went on', 'went on']);
      assert.equal((await use())?.minute_calls, 2);
    } finally {
      mock.timers.reset();
    }
  });

  it('keeps nobody waiting once the program stops', async () => {
    await awayFromTheEndOf(60_000, 2_000);
    await limit({ calls_per_minute: 1 });
    const budgets = openBudgets(shared.db);
    const budget = budgets.of(practice.connectionId);
    while ((await spend(budget, 'write', 2)) > 0);
    const waiting = budget.spend('near');
    budgets.close();
    await assert.rejects(waiting, QuotaSpent);
  });

  it('never exceeds a limit, whoever spends for what', async () => {
    const spender = fc.array(fc.constantFrom<Purpose>('write', 'near', 'far'), { maxLength: 15 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(spender, { minLength: 1, maxLength: 4 }),
        async (perHour, perMonth, spenders) => {
          await practice.query((tx) => tx.deleteFrom('call_use').execute());
          await limit({ calls_per_hour: perHour, calls_per_month: perMonth });
          const made = await Promise.all(
            spenders.map(async (purposes) => {
              const budget = budgetOf();
              let calls = 0;
              for (const purpose of purposes) calls += await spend(budget, purpose, 1);
              return calls;
            }),
          );
          const total = made.reduce((sum, calls) => sum + calls, 0);
          assert.ok(total <= Math.min(perHour, perMonth));
          assert.equal((await use())?.month_calls ?? 0, total);
          const writes = spenders.flat().filter((purpose) => purpose === 'write').length;
          assert.ok(total >= Math.min(writes, perHour, perMonth), 'and writes may use all of it');
        },
      ),
      { numRuns: 25 },
    );
  });

  it('says that it cannot count while the database is away', async () => {
    const away = openDatabase({ host: '127.0.0.1', port: 9 }, 1, () => {});
    await assert.rejects(openBudgets(away).of(1).spend('write'), QuotaSpent);
    await away.close();
  });
});

describe('a pass within a budget', () => {
  let asked: Purpose[];

  beforeEach(async () => {
    for (let n = 0; n < 100; n += 1) practice.hrs.put(appointmentRecord(`A${n}`));
    asked = [];
    const kind = { ...practice.hrs.kind };
    const inner = kind.connect({});
    // One call for each batch.
    kind.connect = (_, { budget } = ALONE): Connector => ({
      ...inner,
      async *changes(cursor, signal) {
        const purpose = cursor === null ? 'far' : 'near';
        const batches = inner.changes(cursor, signal)[Symbol.asyncIterator]();
        for (;;) {
          await budget.spend(purpose);
          asked.push(purpose);
          const next = await batches.next();
          if (next.done) return;
          yield next.value;
        }
      },
    });
    const kinds = new Map([[kind.kind, kind]]);
    const budgets = openBudgets(shared.db);
    const connectors = openConnectors(kinds, SEAL, (id) => ({ ...ALONE, budget: budgets.of(id) }));
    Object.assign(practice.services, { kinds, connectors: connectors.get });
  });

  it('keeps what it has, waits for its calls, and goes on from there', async () => {
    await limit({ calls_per_hour: 10 });
    const cut = await practice.sync();
    assert.deepEqual([cut.kind, cut.outcome, asked.length], ['first', 'partial', 6]);
    const row = await practice.connection();
    assert.deepEqual([row.last_error_code, row.read_status], ['quota', 'red'], 'as it was before the first pass');
    assert.match(row.last_error ?? '', /^The limit of 10 calls an hour leaves none for reading until/);
    const nextHourMs = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
    assert.ok(Math.abs(Date.parse(row.sync_due_at) - nextHourMs) < 2_000, row.sync_due_at);
    await letPass(HOUR_MS);
    const rest = await practice.sync();
    assert.equal(rest.outcome, 'complete');
    assert.ok(cut.records + rest.records <= 104 + 5, `${cut.records} + ${rest.records}: nothing was read twice`);
    assert.equal((await practice.connection()).last_error_code, null);
  });

  it('is not the fault of the HRS', async () => {
    await limit({ calls_per_hour: 40 });
    await practice.sync();
    await practice.query((tx) => tx.updateTable('call_use').set({ hour_calls: 40 }).execute());
    assert.equal((await practice.sync()).outcome, 'partial');
    const { read_status, last_error_code } = await practice.connection();
    assert.deepEqual([read_status, last_error_code], ['green', 'quota']);
  });

  const untilDueMs = async () => Date.parse((await practice.connection()).sync_due_at) - Date.now();

  it('comes as often as its cost allows', async () => {
    await limit({ calls_per_hour: 1_000 });
    await practice.sync();
    assert.ok(Math.abs((await untilDueMs()) - 1_000) < 500, 'its cycle, while nothing is known');
    await practice.sync();
    assert.equal((await use())?.pass_calls, 1);
    await practice.sync();
    assert.ok(Math.abs((await untilDueMs()) - 7_200) < 700, 'half of the calls: 500 passes an hour');
    const { full_pass_calls } = (await use()) ?? {};
    assert.equal(full_pass_calls, 11);
  });

  it('does not begin anew before it can come to its end', async () => {
    await limit({ calls_per_hour: 40 });
    await practice.sync();
    assert.equal((await use())?.full_pass_calls, 11);
    await practice.query((tx) => tx.updateTable('call_use').set({ hour_calls: 20 }).execute());
    assert.equal((await practice.sync({ full: true })).kind, 'incremental');
    await letPass(HOUR_MS);
    assert.equal((await practice.sync({ full: true })).kind, 'full');
  });
});
