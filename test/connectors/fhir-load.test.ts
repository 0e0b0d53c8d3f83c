/** A first load and a full pass of a FHIR server that are cut off on the way into the database, and go on. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { z } from 'zod';
import { fhir } from '../../src/connectors/fhir/connector.ts';
import { addDays, localDateOf } from '../../src/domain/zone.ts';
import type { MemoryHrs } from '../sync/memory-hrs.ts';
import { openPractice, type Practice } from '../sync/practice.ts';
import { ZONE } from './fhir-bench.ts';
import { connect, inDays, startPractice, visit } from './fhir-visits.ts';

const VISITS = { near: 3, soon: 40, ahead: 200, recent: -50, older: -4_000 };

let server: Awaited<ReturnType<typeof startPractice>>;
let practice: Practice;

before(async () => {
  server = await startPractice();
  for (const [id, days] of Object.entries(VISITS)) await server.create(visit(id, inDays(days)));
  const kind = { ...fhir, configSchema: z.unknown(), connect: () => connect(server.proxy.url) };
  practice = await openPractice({ kind } as unknown as MemoryHrs);
});
after(async () => {
  await practice?.close();
  await server?.close();
});

const stored = async () => {
  const rows = await practice.query((tx) =>
    tx.selectFrom('appointment').select('foreign_id').where('deleted_at', 'is', null).execute(),
  );
  return rows.map((row) => row.foreign_id).sort();
};

/** Appointments from that day of the practice on. */
const asksFrom = (days: number) => {
  const date = addDays(localDateOf(ZONE, Date.now()), days);
  return ({ url }: { url: string }) => url.startsWith(`/Appointment?date=ge${date}`);
};
/** The pass ends after the near days. */
const cutFarDays = () => server.proxy.arm({ kind: 'cut' }, { when: asksFrom(91) });

it('goes on with a first load where it was cut off', async () => {
  const cut = cutFarDays();
  const first = await practice.sync();
  assert.deepEqual([cut.hits(), first.kind, first.outcome], [1, 'first', 'failed']);
  assert.deepEqual(await stored(), ['near', 'soon']);
  assert.equal((await practice.connection()).first_synced_at, null);

  server.proxy.takeSeen();
  const second = await practice.sync();
  const nearAgain = server.proxy.takeSeen().filter(asksFrom(-1));
  assert.deepEqual([second.kind, second.outcome, nearAgain], ['first', 'complete', []]);
  assert.deepEqual(await stored(), Object.keys(VISITS).sort());
  assert.deepEqual(await practice.events(), []);
});

it('lets nothing go for what a part of a full pass has not seen', async () => {
  await server.remove('Appointment/near');
  const cut = cutFarDays();
  const first = await practice.sync({ full: true });
  assert.deepEqual([cut.hits(), first.kind, first.outcome], [1, 'full', 'failed']);
  const second = await practice.sync();
  assert.deepEqual([second.outcome, second.deleted, second.held], ['complete', 0, 0]);
  assert.ok((await stored()).includes('near'));

  for (const deleted of [0, 1]) {
    const whole = await practice.sync({ full: true });
    assert.deepEqual([whole.kind, whole.outcome, whole.deleted], ['full', 'complete', deleted]);
  }
  assert.deepEqual(
    await stored(),
    Object.keys(VISITS)
      .filter((id) => id !== 'near')
      .sort(),
  );
});
