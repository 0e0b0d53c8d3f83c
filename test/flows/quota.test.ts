/** A practice whose system allows a number of calls: what of it reaches that system, and who has to wait. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bookSlot, endedWrite, openSlots } from '../harness/booking.ts';
import { type FaultProxy, isWrite, startFaultProxy } from '../harness/fault-proxy.ts';
import { type Body, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

const PER_MINUTE = 30;
/** What reading leaves to writes. */
const READS = 25;

let program: DemoProgram;
let proxy: FaultProxy;
let path: string;

const change = (connection: object) => program.admin('PATCH', path, { connection });
const shown = async (): Promise<Body> => (await program.admin('GET', path)).body.data;
const runs = async (): Promise<Body[]> => (await program.admin('GET', `${path}/runs`)).body.data;

before(async () => {
  program = await startDemoProgram();
  proxy = await startFaultProxy(program.demo.sandbox_url);
  const [connection] = (await program.admin('GET', '/admin/connections')).body.data;
  path = `/admin/connections/${connection.id}`;
  const baseUrl = proxy.url;
  const { status, body } = await change({ sync_cycle_ms: 100, config: { baseUrl, apiKey: 'sandbox' } });
  assert.equal(status, 200, JSON.stringify(body));
  await until('a pass by the proxy', async () => proxy.takeSeen().length > 0);
  // The whole of what follows happens in one minute.
  const leftMs = 60_000 - (Date.now() % 60_000);
  if (leftMs < 10_000) await pause(leftMs);
});

after(async () => {
  await program?.end();
  await proxy?.close();
});

test('reading stops where writes need the rest, and a booking goes through at once', async () => {
  const limited = await change({ calls_per_minute: PER_MINUTE });
  assert.equal(limited.body.data.quota.minute.limit, PER_MINUTE);
  await pause(1_100);
  proxy.takeSeen();
  const before = (await shown()).quota.minute.used;
  // Somebody who presses the button all the time.
  const quota = await until('reading to have used up its part', async () => {
    await program.admin('POST', `${path}/sync`);
    const { minute } = (await shown()).quota;
    return minute.used >= READS && minute;
  });
  assert.deepEqual([quota.limit, quota.used], [PER_MINUTE, READS]);
  assert.equal(quota.resets_at, new Date(Math.ceil(Date.now() / 60_000) * 60_000).toISOString());

  const [slot] = await openSlots(program);
  const bookedMs = Date.now();
  const { body } = await bookSlot(program, slot);
  const write = await until('the booking', () => endedWrite(program, body.data.appt.id), 5_000);
  assert.equal(write.state, 'complete', JSON.stringify(write));
  assert.ok(Date.now() - bookedMs < 3_000);
  for (let n = 0; n < 5; n += 1) await program.admin('POST', `${path}/sync`);
  const seen = proxy.takeSeen();
  assert.ok(seen.some(isWrite));
  const { used } = (await shown()).quota.minute;
  assert.ok(used <= PER_MINUTE && used > READS, String(used));
  assert.equal(seen.length, used - before, 'every call was counted, once');
});

test('what waits for an hour says so, is no fault of the HRS, and goes on when the limit is lifted', async () => {
  await change({ calls_per_minute: null, calls_per_hour: 1 });
  const limited = await until('reading to wait', async () => {
    const one = await shown();
    if (one.last_error_code === 'quota') return one;
    // The one call of an hour that has just begun is not refused, and the next pass is due two hours later.
    await program.admin('POST', `${path}/sync`);
  });
  assert.match(limited.last_error, /^The limit of 1 calls an hour leaves none for reading until/);
  assert.deepEqual([limited.read_status, limited.write_status], ['green', 'green']);
  assert.ok(Math.abs(Date.parse(limited.sync_due_at) - Date.parse(limited.quota.hour.resets_at)) < 5_000);
  assert.equal(limited.promised_staleness_seconds, 7_200, 'one call a pass, half a call an hour');
  assert.equal(limited.behind, false);
  const [last] = await runs();
  assert.deepEqual([last.outcome, last.error_code], ['partial', 'quota']);

  const lifted = (await change({ calls_per_hour: null })).body.data;
  assert.deepEqual(lifted.quota, { minute: null, hour: null, month: null });
  assert.equal(lifted.promised_staleness_seconds, 1);
  await until('a complete pass', async () => (await shown()).last_error_code === null);
});
