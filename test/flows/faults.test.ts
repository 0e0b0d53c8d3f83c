import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { bookSlot, endedWrite, openSlots, writesOf } from '../harness/booking.ts';
import { type Body, type DemoProgram, startDemoProgram, until } from '../harness/program.ts';

let program: DemoProgram;

before(async () => {
  program = await startDemoProgram();
});

afterEach(() => program.sandbox('DELETE', '/faults'));

after(() => program?.end());

/** What the practice really holds at that time, whatever anybody was told. */
async function visitsAt(start: string): Promise<Body[]> {
  const found: Body[] = [];
  for (let afterId: number | null = 0; afterId !== null; ) {
    const { body } = await program.sandbox('GET', `/v1/visits?limit=1000&after=${afterId}`);
    found.push(...body.items);
    afterId = body.next;
  }
  const live = found.filter((visit) => !['broken', 'deleted'].includes(visit.state));
  return live.filter((visit) => Date.parse(visit.start) === Date.parse(start) && visit.external_ref !== null);
}

interface Case {
  fault: Record<string, unknown>;
  ends: { state: string; reason?: string };
  visits: number;
  states: string[];
}

/** Each fault meets the first request of the write; what follows is the machine's own doing. */
const CASES: Record<string, Case> = {
  'powered off for two requests: sent again, nothing lost': {
    fault: { fault: 'off', match: 'write', times: 2 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['complete'],
  },
  'slow: waited for': {
    fault: { fault: 'slow', ms: 1000, match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['queued', 'sent', 'complete'],
  },
  'refused with a reason: failed, and the reason is told': {
    fault: { fault: 'refuse', match: 'write', times: 1, reason: 'chair_broken', message: 'The chair is broken' },
    ends: { state: 'failed', reason: 'refused_by_hrs' },
    visits: 0,
    states: ['queued', 'sent', 'failed'],
  },
  'the work is done and the reply lost: looked up, one visit': {
    fault: { fault: 'lose_reply', match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['queued', 'sent', 'unknown', 'settling', 'complete'],
  },
  'the work is done after the caller gave up: waited out, one visit': {
    fault: { fault: 'late_work', ms: 1000, match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['queued', 'sent', 'unknown', 'settling', 'complete'],
  },
  '500 after the work: looked up, one visit': {
    fault: { fault: 'error_after_work', match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['queued', 'sent', 'unknown', 'settling', 'complete'],
  },
  '500 without the work: proven absent, then sent again': {
    fault: { fault: 'error', match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['queued', 'sent', 'unknown', 'settling', 'searched', 'sent', 'complete'],
  },
  '200 without the work, once: not believed, sent again': {
    fault: { fault: 'lie_ok', match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['complete'],
  },
  '200 without the work, always: failed, never complete': {
    fault: { fault: 'lie_ok', match: 'write' },
    ends: { state: 'failed', reason: 'not_written' },
    visits: 0,
    states: ['failed'],
  },
  'an HTML page with 200: proves nothing, looked up': {
    fault: { fault: 'html', match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['complete'],
  },
  'a cut reply: looked up, one visit': {
    fault: { fault: 'cut_body', match: 'write', times: 1 },
    ends: { state: 'complete' },
    visits: 1,
    states: ['complete'],
  },
};

for (const [name, { fault, ends, visits, states }] of Object.entries(CASES)) {
  test(name, async () => {
    const [slot] = await openSlots(program);
    const set = await program.sandbox('POST', '/faults', fault);
    assert.ok(set.status < 300, JSON.stringify(set.body));
    const { status, body } = await bookSlot(program, slot);
    assert.equal(status, 201, JSON.stringify(body));
    const write = await until('the write to end', () => endedWrite(program, body.data.appt.id), 20_000);
    assert.equal(write.state, ends.state, JSON.stringify(write));
    assert.equal(write.reason_code, ends.reason ?? null);
    const passed: string[] = write.states.map((one: Body) => one.state);
    let at = 0;
    for (const state of states) {
      at = passed.indexOf(state, at);
      assert.notEqual(at, -1, `${state} in ${passed.join(' → ')}`);
    }
    await program.sandbox('DELETE', '/faults');
    assert.equal((await visitsAt(slot.time)).length, visits);
    if (ends.state === 'failed') {
      const { body: shown } = await program.api(
        'GET',
        `/appointments/${body.data.appt.id}?subdomain=${program.demo.subdomain}`,
      );
      assert.equal(shown.data.deleted, true);
      assert.ok(
        (await openSlots(program)).some((one) => one.time === slot.time),
        'the time is offered again',
      );
    }
  });
}

test('a booking that is cancelled while the practice is off is sent to nobody', async () => {
  const { api, demo, sandbox } = program;
  const [slot] = await openSlots(program);
  await sandbox('POST', '/faults', { fault: 'off', match: 'write' });
  const { body } = await bookSlot(program, slot);
  const id = body.data.appt.id;
  await until('a try', async () => (await writesOf(program, id))[0].states.length > 1);
  const cancelled = await api('PATCH', `/appointments/${id}?subdomain=${demo.subdomain}`, {
    appt: { cancelled: true },
  });
  assert.equal(cancelled.status, 200);
  await sandbox('DELETE', '/faults');
  await until('both to end', async () => (await writesOf(program, id)).every((write) => write.finished_at), 30_000);
  assert.equal((await visitsAt(slot.time)).length, 0);
  assert.deepEqual((await writesOf(program, id)).map(({ kind, state }) => `${kind} ${state}`).slice(-1), [
    'cancel complete',
  ]);
});

test('a confirmation that the practice refuses is taken back', async () => {
  const { api, demo, sandbox } = program;
  const [slot] = await openSlots(program);
  const { body } = await bookSlot(program, slot);
  const id = body.data.appt.id;
  await until('the write', () => endedWrite(program, id));
  await sandbox('POST', '/faults', { fault: 'refuse', match: 'write', times: 1, reason: 'no_reminders' });
  const path = `/appointments/${id}?subdomain=${demo.subdomain}`;
  assert.equal((await api('PATCH', path, { appt: { confirmed: true } })).status, 200);
  const write = await until('the write', () => endedWrite(program, id));
  assert.equal(write.state, 'failed');
  assert.equal((await api('GET', path)).body.data.confirmed, false);
});
